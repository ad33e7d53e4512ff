"""Trims the change log: what is older or larger than is kept goes, the oldest first.

It never holds the writers up: a run removes one batch in one short transaction, and pauses before
the next.
"""

from collections.abc import Callable
from typing import Final, Protocol

from custody.barrier.log import Retention
from custody.base.clock import NANOSECOND, Clock
from custody.core.jobs.job import MAX_KEYS

KEPT_ENTRIES: Final = 100_000
KEPT_NS: Final = 72 * 3600 * NANOSECOND
KEPT_BYTES: Final = 1024 * 1024 * 1024
PAUSE: Final = 0.02  # seconds between two batches: 25,000 entries a second at most
INTERVAL: Final = 60.0


class LogStore(Protocol):
    """The barrier, as this job uses it."""

    async def trim(self, keep: Retention, batch: int) -> int:
        """Remove up to `batch` old entries; how many went."""
        ...


class Trim:
    """The job. `floor` answers the highest time in the store's log, nanoseconds.

    The newest `entries` stay whatever their age and size.
    """

    name: Final = "trim"

    def __init__(
        self,
        store: LogStore,
        clock: Clock,
        floor: Callable[[], int],
        entries: int = KEPT_ENTRIES,
    ) -> None:
        self._store = store
        self._entries = entries
        self._clock = clock
        self._floor = floor

    async def run(self) -> float:
        """Remove one batch; answers after how many seconds to come back."""
        now_ns = max(self._clock.now_ns(), self._floor())
        keep = Retention(self._entries, now_ns - KEPT_NS, KEPT_BYTES)
        removed = await self._store.trim(keep, MAX_KEYS)
        return PAUSE if removed == MAX_KEYS else INTERVAL
