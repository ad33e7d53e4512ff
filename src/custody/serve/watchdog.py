"""The watchdog: which process of a node hangs, in a write or as a whole, and where it was then.

The event loop of every process makes a beat each second, into the shared page. A process that has
not made one for as long as `Patience` says is of no use to those who wait for it: a worker keeps
the connections that were dealt to it, the steward its jobs, and a custodian could not seal. It is
no matter of clocks: the supervisor adds up the time between its own looks, each look at most
`_LONGEST_LOOK`, so that a node that was stopped as a whole, and comes back, misses no beat.
"""

import asyncio
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

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

    Nothing holds an event loop for a second: bodies are of 32 MiB at most, work on the store goes
    in batches of milliseconds, what waits for a disk or the network has threads or is awaited. So
    `beat` is that and a machine that is thirty times slower. Before its first beat a process loads
    its code and opens the store.
    """

    write: int = 5 * NANOSECOND
    beat: int = 30 * NANOSECOND
    start: int = 300 * NANOSECOND


async def beat(slot: Slot) -> None:
    """Make a beat each second, until cancelled."""
    while True:
        slot.beat()
        await asyncio.sleep(BEAT)


@dataclass(slots=True)
class _Pulse:
    """The last beat that was seen, and for how long there was no other."""

    beat: int
    silent_ns: int = 0


class Watchdog:
    """The supervisor's eye on its processes."""

    def __init__(self, shared: Page, clock: Clock, patience: Patience) -> None:
        self._page = shared
        self._clock = clock
        self._patience = patience
        self._pulses: dict[int, _Pulse] = {}  # by slot
        self._looked_ns = clock.boot_ns()

    def look(self, slots: Collection[int]) -> None:
        """Count the time since the last look for those that made no beat in it.

        `slots` are those of the processes that there are: what was counted for others is forgotten.
        """
        now = self._clock.boot_ns()
        passed, self._looked_ns = min(now - self._looked_ns, _LONGEST_LOOK), now
        before, self._pulses = self._pulses, {}
        for slot in slots:
            latest, known = self._page.beats(slot), before.get(slot)
            if known is None or known.beat != latest:
                self._pulses[slot] = _Pulse(latest)
            else:
                self._pulses[slot] = _Pulse(latest, known.silent_ns + passed)

    def hangs(self, slot: int) -> bool:
        """Whether its process made no beat for too long, by the last look."""
        pulse = self._pulses.get(slot)
        if pulse is None:
            return False
        limit = self._patience.beat if pulse.beat else self._patience.start
        return pulse.silent_ns > limit

    def writes_too_long(self, slot: int) -> bool:
        """Whether its process has held the store's write lock for too long."""
        began = self._page.write_stamp(slot)
        return began != 0 and self._clock.boot_ns() - began > self._patience.write


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
