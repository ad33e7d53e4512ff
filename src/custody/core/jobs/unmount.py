"""Deletes what disabled mounts left, a batch at a time.

Nothing waits for it: a disabled mount is refused since its row went, and its id is never used
again. What is left to do is in the store, so a run may be cut off anywhere.
"""

import logging
from typing import Final

from custody.core import mounts
from custody.core.jobs.job import MAX_KEYS, POLL, JobStore

PROGRESS: Final = 20_000  # rows between two lines of the log
PAUSE: Final = 0.005  # seconds between two batches, for other processes' writes
_log = logging.getLogger(__name__)


class Unmount:
    """The job."""

    name: Final = "unmount"

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._mount = b""  # the one being cleared
        self._told = 0
        self.cleared = 0  # rows of that mount deleted by this process

    async def run(self) -> float:
        """Clear one batch; answers after how many seconds to come back."""
        with self._store.snapshot() as rows:
            found = mounts.abandoned(rows)
        if found is None:
            return POLL
        mount_id, path = found
        if mount_id != self._mount:
            self._mount, self.cleared, self._told = mount_id, 0, 0
            _log.info("disabled mount %s: deleting its data", path)
        count, done = await self._store.write(
            lambda txn: mounts.clear_step(txn, mount_id, MAX_KEYS), essential=True
        )
        self.cleared += count
        self._tell(path, done=done)
        return PAUSE

    def _tell(self, path: str, *, done: bool) -> None:
        if done:
            _log.info("disabled mount %s: all %d rows deleted", path, self.cleared)
        elif self.cleared - self._told >= PROGRESS:
            self._told = self.cleared
            _log.info("disabled mount %s: %d rows deleted so far", path, self.cleared)
