"""The low-water mark: below it new data is refused, while deleting and revoking go on.

And what a write says that found no room: a quota, or a limit on a file's size, is such a thing too.
"""

import errno
import os
from pathlib import Path
from typing import Final

import lmdb

from custody.base.clock import NANOSECOND, Clock
from custody.base.errors import StorageFull

_LIMITS: Final = frozenset((errno.EDQUOT, errno.EFBIG))


def is_full(error: Exception) -> bool:
    """Whether a write failed since there was no room for it."""
    if isinstance(error, lmdb.MapFullError | lmdb.DiskError):
        return True
    return isinstance(error, lmdb.Error) and getattr(error, "code", 0) in _LIMITS


class FreeSpace:
    """Knows how much of a file system is free, at most a second ago."""

    __slots__ = ("_clock", "_due_ns", "_free", "_low_water", "_path")

    def __init__(self, path: Path, low_water: int, clock: Clock) -> None:
        self._path = path
        self._low_water = low_water
        self._clock = clock
        self._due_ns = -1
        self._free = 0

    def check(self) -> None:
        """Raises StorageFull when fewer than `low_water` bytes are free."""
        now_ns = self._clock.boot_ns()
        if now_ns >= self._due_ns:
            status = os.statvfs(self._path)
            self._free = status.f_bavail * status.f_frsize
            self._due_ns = now_ns + NANOSECOND
        if self._free < self._low_water:
            raise StorageFull(
                f"the file system of {self._path} is nearly full "
                f"({self._free} bytes left, {self._low_water} are kept for deleting and revoking)"
            )
