"""The shared page: what the processes of a node tell each other without a message.

One slot per process, written by that process only; readers sum. When a process has died, the
supervisor folds its counters into a base slot, so that a sum never goes down; gauges of a dead
process are forgotten. A sequence number in the header (odd while the supervisor folds) keeps a
reader from counting a slot twice or not at all.

Layout, in native 64-bit words: sequence, start (boot time, ns), then SLOTS + 1 slots of pid, write
stamp, beats, counters.
The page lives in memory (memfd) and only as long as the node: its layout is not an interface.
"""

import mmap
import os
import sys
from collections.abc import Mapping

from custody.base import log
from custody.core.metrics import COUNTERS, GAUGES

SLOTS = 64
NAMES = (*COUNTERS, *GAUGES)

_WORD = 8
_SEQUENCE, _STARTED = 0, 1
_HEADER = 2
_PID, _STAMP, _BEATS, _FIRST = 0, 1, 2, 3
_STRIDE = _FIRST + len(NAMES)
_BASE = SLOTS  # the supervisor's own slot, where the dead are folded
SIZE = (_HEADER + (SLOTS + 1) * _STRIDE) * _WORD
_INDEX = {name: _FIRST + place for place, name in enumerate(NAMES)}


class Page:
    """A mapping of the shared page."""

    def __init__(self, fd: int) -> None:
        self._map = mmap.mmap(fd, SIZE)
        self._words = memoryview(self._map).cast("q")

    @property
    def started_ns(self) -> int:
        """When counting began: boot time, nanoseconds."""
        return self._words[_STARTED]

    def slot(self, number: int) -> "Slot":
        """The slot `number`, to be written by one process only."""
        if not 0 <= number < SLOTS:
            raise ValueError(f"a slot is 0 to {SLOTS - 1}")
        return Slot(self, self._words, _offset(number))

    def base(self) -> "Slot":
        """The supervisor's slot."""
        return Slot(self, self._words, _offset(_BASE))

    def totals(self) -> dict[str, int]:
        """Each name's sum over all slots, of one moment as far as folding goes."""
        words = self._words
        while True:
            before = words[_SEQUENCE]
            sums = {
                name: sum(words[_offset(number) + place] for number in range(SLOTS + 1))
                for name, place in _INDEX.items()
            }
            if before % 2 == 0 and words[_SEQUENCE] == before:
                return sums
            os.sched_yield()

    def fold(self, number: int) -> None:
        """Move a dead process's counters to the base slot and clear its slot. Supervisor only."""
        words, source, base = self._words, _offset(number), _offset(_BASE)
        words[_SEQUENCE] += 1
        for name in COUNTERS:
            words[base + _INDEX[name]] += words[source + _INDEX[name]]
        for place in range(_STRIDE):
            words[source + place] = 0
        words[_SEQUENCE] += 1

    def write_stamp(self, number: int) -> int:
        """When that slot's running write transaction began (boot time, ns), negative while it is
        synced; 0: none runs."""
        return self._words[_offset(number) + _STAMP]

    def beats(self, number: int) -> int:
        """How many beats the event loop of that slot's process has made (see `serve.watchdog`)."""
        return self._words[_offset(number) + _BEATS]

    def pid(self, number: int) -> int:
        """The process that took the slot; 0: none."""
        return self._words[_offset(number) + _PID]


class Slot:
    """One process's counters, its write stamp and its beats."""

    __slots__ = ("_offset", "_page", "_words")

    def __init__(self, page: Page, words: "memoryview[int]", offset: int) -> None:
        self._page = page
        self._words = words
        self._offset = offset

    def claim(self, pid: int) -> None:
        """Say which process writes here."""
        self._words[self._offset + _PID] = pid

    def add(self, name: str, amount: int = 1) -> None:
        """Count. Raises KeyError for a name that is not in NAMES."""
        self._words[self._offset + _INDEX[name]] += amount

    def totals(self) -> Mapping[str, int]:
        """The sums over all processes."""
        return self._page.totals()

    @property
    def started_ns(self) -> int:
        """When counting began: boot time, nanoseconds."""
        return self._page.started_ns

    def stamp(self, boot_ns: int) -> None:
        """A write transaction began at `boot_ns`; the same negative: it syncs; 0: it ended."""
        self._words[self._offset + _STAMP] = boot_ns

    def beat(self) -> None:
        """The process's event loop turns."""
        self._words[self._offset + _BEATS] += 1

    def count_lost_lines(self) -> None:
        """Count what this process cannot write to its log."""
        log.count_lost(lambda: self.add("log_lines_lost"))


def create(boot_ns: int = 0) -> int:
    """The descriptor of a new page, that counts from `boot_ns` on; else all zero."""
    fd = os.memfd_create("custody-page", os.MFD_CLOEXEC)
    os.ftruncate(fd, SIZE)
    os.pwrite(fd, boot_ns.to_bytes(_WORD, sys.byteorder), _STARTED * _WORD)
    return fd


def _offset(number: int) -> int:
    return _HEADER + number * _STRIDE
