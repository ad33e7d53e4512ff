"""Clears what was below revoked tokens, from the marks that revocation left.

Nothing waits for it: a token below a mark is refused since the mark was committed. A run changes at
most MAX_KEYS rows, and may be cut off anywhere: what is left is found again from the marks.
"""

from collections.abc import Callable
from typing import Final

from custody.base.clock import Clock
from custody.base.store import Table
from custody.core.jobs.job import MAX_KEYS, POLL, JobStore
from custody.token import clearing

BATCH: Final = (MAX_KEYS - 1) // clearing.KEYS_PER_TOKEN  # one more for the mark itself


class Revocation:
    """The job. `floor` answers the highest time in the store's log, nanoseconds."""

    name: Final = "revocation"

    def __init__(self, store: JobStore, clock: Clock, floor: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock
        self._floor = floor
        self.revoked = 0  # tokens cleared since the start

    async def run(self) -> float:
        """Clear one batch; answers after how many seconds to come back."""
        with self._store.snapshot() as rows:
            if not rows.keys(Table.REVOCATION, b"", limit=1):
                return POLL
        now_ns = max(self._clock.now_ns(), self._floor())
        step = await self._store.write(
            lambda txn: clearing.sweep(txn, now_ns, BATCH), essential=True
        )
        self.revoked += len(step.revoked)
        return 0.0 if step.more else POLL
