"""Takes away the tokens that were recalled by the path that made them, a batch at a time.

Nothing waits for it: such a token is refused since the recall was committed. What is recalled, and
how far this is, lies in the store, so a run may be cut off anywhere.
"""

import logging
from collections.abc import Callable
from typing import Final

from custody.base.clock import Clock
from custody.base.store import StaleDecision
from custody.core.jobs.job import MAX_KEYS, POLL, JobStore
from custody.token import recalling

ROWS: Final = 500  # that one run looks at
PROGRESS: Final = 50_000  # rows between two lines of the log
PAUSE: Final = 0.005  # seconds between two batches, for other processes' writes
_log = logging.getLogger(__name__)


class Recall:
    """The job. `floor` answers the highest time in the store's log, nanoseconds."""

    name: Final = "recall"

    def __init__(self, store: JobStore, clock: Clock, floor: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock
        self._floor = floor
        self._told = 0

    async def run(self) -> float:
        """Do one batch; answers after how many seconds to come back."""
        with self._store.snapshot() as rows:
            batch = recalling.look(rows, ROWS, MAX_KEYS)
        if batch is None:
            return POLL
        if batch.found is None:
            self._told = 0
            _log.info("tokens are recalled by their path: looking for them")
        now_ns = max(self._clock.now_ns(), self._floor())
        try:
            step = await self._store.write(
                lambda txn: recalling.step(txn, batch, now_ns), essential=True
            )
        except StaleDecision:
            return 0.0
        self._tell(step)
        return PAUSE

    def _tell(self, step: recalling.Step) -> None:
        reached = step.reached
        if step.through:
            _log.info("recalled tokens: all %d of %d deleted", reached.revoked, reached.looked)
        elif reached.looked - self._told >= PROGRESS:
            self._told = reached.looked
            _log.info(
                "recalled tokens: %d deleted so far, of %d looked at",
                reached.revoked, reached.looked,
            )  # fmt: skip
