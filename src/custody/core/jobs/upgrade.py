"""Takes mounts over to a newer version of their engine, a batch at a time.

What is left to do is in the store, so a run may be cut off anywhere.
"""

import logging
from collections.abc import Mapping
from typing import Final

from custody.base.clock import Clock
from custody.core import upgrading
from custody.core.jobs.job import MAX_KEYS, POLL, JobStore
from custody.plugin.route import Engine

PAUSE: Final = 0.005  # seconds between two batches, for other processes' writes
_log = logging.getLogger(__name__)


class Upgrade:
    """The job."""

    name: Final = "upgrade"

    def __init__(self, store: JobStore, clock: Clock, catalog: Mapping[str, Engine]) -> None:
        self._store = store
        self._clock = clock
        self._catalog = catalog

    async def run(self) -> float:
        """Take over one batch; answers after how many seconds to come back."""
        with self._store.snapshot() as rows:
            mount_id = upgrading.waiting(rows)
        if mount_id is None:
            return POLL
        now_ns = self._clock.now_ns()
        path = await self._store.write(
            lambda txn: upgrading.step(txn, self._catalog, mount_id, now_ns, MAX_KEYS)
        )
        if path:
            _log.info("mount %s: upgraded", path)
        return PAUSE
