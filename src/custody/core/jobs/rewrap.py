"""Encrypts anew, a batch at a time, what older keys encrypted, where that was asked for."""

import logging
from typing import Final

from custody.barrier.barrier import Barrier
from custody.base.clock import Clock
from custody.base.store import StaleDecision
from custody.core import rewrapping
from custody.core.jobs.job import POLL

BATCH: Final = 200  # rows of one transaction
PAUSE: Final = 0.005  # seconds between two batches, for other processes' writes
_log = logging.getLogger(__name__)


class Rewrap:
    """The job."""

    name: Final = "rewrap"

    def __init__(self, barrier: Barrier, clock: Clock) -> None:
        self._barrier = barrier
        self._clock = clock

    async def run(self) -> float:
        """Do one batch; answers after how many seconds to come back."""
        with self._barrier.snapshot() as view:
            found = rewrapping.read(view)
            if found is None or found.finished_ns:
                return POLL
            batch = rewrapping.look(view, found, BATCH)
        now_ns = self._clock.now_ns()
        try:
            further = await self._barrier.write(
                lambda txn: rewrapping.step(txn, found, batch, now_ns), essential=True
            )
        except StaleDecision:
            return 0.0
        if further.finished_ns:
            _log.info(
                "encrypted %d of %d rows anew; nothing is left under terms before %d",
                further.rewritten, further.rows, further.term,
            )  # fmt: skip
            return POLL
        return PAUSE
