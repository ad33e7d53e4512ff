"""Deletes what disabled mounts left, a batch at a time.

Nothing waits for it: a disabled mount is refused since its row went, and its id is never used
again. What is left to do, and how much was done, is in the store, so a run may be cut off anywhere.
"""

import logging
from typing import Final

from custody.base.clock import Clock
from custody.core import unmounting
from custody.core.jobs.job import MAX_KEYS, POLL, JobStore
from custody.core.unmounting import Unmounting

PROGRESS: Final = 20_000  # rows between two lines of the log
PAUSE: Final = 0.005  # seconds between two batches, for other processes' writes
_log = logging.getLogger(__name__)


class Unmount:
    """The job."""

    name: Final = "unmount"

    def __init__(self, store: JobStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._mount = b""  # the one being cleared
        self._told = 0

    async def run(self) -> float:
        """Clear one batch; answers after how many seconds to come back."""
        now_ns = self._clock.now_ns()
        with self._store.snapshot() as rows:
            left = unmounting.next_left(rows)
            stale = left is None and unmounting.stale(rows, now_ns)
        if left is None:
            if stale:
                await self._store.write(
                    lambda txn: unmounting.forget(txn, now_ns, MAX_KEYS), essential=True
                )
            return POLL
        if left.id != self._mount:
            self._mount, self._told = left.id, left.deleted
            _log.info("disabled mount %s: deleting its data", left.path)
        mount_id = left.id
        count, done = await self._store.write(
            lambda txn: unmounting.clear_step(txn, mount_id, MAX_KEYS - 2, now_ns), essential=True
        )
        self._tell(left, left.deleted + count, done=done)
        return PAUSE

    def _tell(self, left: Unmounting, deleted: int, *, done: bool) -> None:
        if done:
            _log.info("disabled mount %s: all %d rows deleted", left.path, deleted)
        elif deleted - self._told >= PROGRESS:
            self._told = deleted
            _log.info("disabled mount %s: %d rows deleted so far", left.path, deleted)
