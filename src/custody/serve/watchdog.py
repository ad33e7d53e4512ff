"""The watchdog: which process of a node hangs, in a write or as a whole, and where it was then.

The event loop of every process makes a beat each second, into the shared page. A process that has
not made one for as long as `Patience` says is of no use to those who wait for it: a worker keeps
the connections that were dealt to it, the steward its jobs, and a custodian could not seal. Who
holds the store's write lock for too long keeps all others from writing.

It is no matter of clocks: the supervisor adds up the time between its own looks, each of them at
most `_LONGEST_LOOK`. So nothing is held against a node that was stopped as a whole and goes on.
"""

import asyncio
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, NamedTuple

from custody.base.clock import NANOSECOND, Clock
from custody.serve.page import Page, Slot

BEAT: Final = 1.0  # seconds between two beats
_LONGEST_LOOK: Final = NANOSECOND
_FRAMES: Final = 12  # of a thread's innermost
_MOST: Final = 4000  # characters of what is told about where a process was
_PLACE: Final = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+) in (?P<name>.*)')


@dataclass(frozen=True, slots=True)
class Patience:
    """How many nanoseconds are waited for a process.

    Nothing holds an event loop for a second: bodies are of 2 MiB at most where they are read whole,
    a turn makes one large audit record, work on the store goes in batches of milliseconds, what
    waits for a disk or the network has threads or is awaited. So `beat` is that and a machine that
    is thirty times slower. Before its first beat a process loads its code and opens the store. A
    write ends with a sync, which took ten seconds on a disk that others kept busy: to end the
    process then helps nobody, since the next one waits as long, and ends the reads of all its
    clients. `sync` is for a library that would never come back.
    """

    write: int = 15 * NANOSECOND
    sync: int = 300 * NANOSECOND
    beat: int = 30 * NANOSECOND
    start: int = 300 * NANOSECOND


async def beat(slot: Slot) -> None:
    """Make a beat each second, until cancelled."""
    while True:
        slot.beat()
        await asyncio.sleep(BEAT)


class _Still(NamedTuple):
    """What a process has in the page, and for how long it has been seen to be the same."""

    value: int = 0
    ns: int = 0

    def seen(self, value: int, passed_ns: int) -> "_Still":
        """After another look."""
        return _Still(value, self.ns + passed_ns if value == self.value else 0)


class _Watched(NamedTuple):
    """One process: its beats, and when its running write began (negative: it syncs)."""

    beats: _Still = _Still()
    write: _Still = _Still()


class Watchdog:
    """The supervisor's eye on its processes."""

    def __init__(self, shared: Page, clock: Clock, patience: Patience) -> None:
        self._page = shared
        self._clock = clock
        self._patience = patience
        self._watched: dict[int, _Watched] = {}  # by slot
        self._looked_ns = clock.boot_ns()

    def look(self, slots: Collection[int]) -> None:
        """Count the time since the last look for those in whom nothing has moved in it.

        `slots` are those of the processes that there are: what was counted for others is forgotten.
        """
        now, page = self._clock.boot_ns(), self._page
        passed, self._looked_ns = min(now - self._looked_ns, _LONGEST_LOOK), now
        before, self._watched = self._watched, {}
        for slot in slots:
            known, since = before.get(slot, _Watched()), passed if slot in before else 0
            self._watched[slot] = _Watched(
                known.beats.seen(page.beats(slot), since),
                known.write.seen(page.write_stamp(slot), since),
            )

    def hangs(self, slot: int) -> bool:
        """Whether its process made no beat for too long, by the last look."""
        beats = self._watched.get(slot, _Watched()).beats
        return beats.ns > (self._patience.beat if beats.value else self._patience.start)

    def writes_too_long(self, slot: int) -> bool:
        """Whether its process has held the store's write lock for too long, by the last look."""
        write = self._watched.get(slot, _Watched()).write
        limit = self._patience.sync if write.value < 0 else self._patience.write
        return write.value != 0 and write.ns > limit


def places(told: str) -> str:
    """Where the threads of a process were, of what `faulthandler` told as it died; no values."""
    threads: list[list[str]] = []
    for line in told.splitlines():
        found = _PLACE.fullmatch(line)
        if found is None:
            if "thread" in line.lower():
                threads.append([])
        elif threads:
            threads[-1].append(f"{found['file']}:{found['line']} {found['name']}")
    return "; ".join(" < ".join(one[:_FRAMES]) for one in reversed(threads) if one)[:_MOST]
