"""Time as an argument: nothing else in the package reads a clock."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Protocol

NANOSECOND: Final = 1_000_000_000


class Clock(Protocol):
    """Wall time and boot time."""

    def now_ns(self) -> int:
        """Nanoseconds since the epoch, UTC."""
        ...

    def boot_ns(self) -> int:
        """Nanoseconds since boot, counting suspension; never goes back."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now_ns(self) -> int:
        """Nanoseconds since the epoch, UTC."""
        return time.time_ns()

    def boot_ns(self) -> int:
        """Nanoseconds on CLOCK_BOOTTIME."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@lru_cache(maxsize=8192)  # the times of a secret are shown with each of its reads
def rfc3339(ns: int) -> str:
    """`ns` since the epoch as RFC 3339 in UTC with nine digits: 2026-11-22T13:14:50.103464463Z."""
    seconds, fraction = divmod(ns, NANOSECOND)
    return f"{_second(seconds)}.{fraction:09d}Z"


@lru_cache(maxsize=64)  # of what is written now, the second is mostly the same
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
