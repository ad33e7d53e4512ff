"""Those who watch the log through this process: `sys/monitor`'s side of the journal."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Final

from custody.base.errors import TooManyRequests
from custody.base.log import FORMS, LEVELS, Line
from custody.serve.journal import Journal, Reader

MOST: Final = 16  # watchers of one process
_INTERVAL: Final = 0.1  # seconds between looks


class Watchers:
    """All watchers of one process; `number` is its ring's."""

    def __init__(self, journal: Journal, number: int) -> None:
        self._journal = journal
        self._number = number
        self._levels: list[int] = []
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Show everybody what there is yet, and let them go."""
        self._ended.set()

    def follow(self, level: str, form: str) -> AsyncGenerator[bytes, None]:
        """What every process of the node logs from now on, at `level` and above.

        Raises TooManyRequests.
        """
        if len(self._levels) >= MOST:
            raise TooManyRequests("too many are watching the log through this process")
        return self._follow(LEVELS[level], form)

    async def _follow(self, level: int, form: str) -> AsyncGenerator[bytes, None]:
        written = FORMS[form]
        readers = [Reader(ring) for ring in self._journal.rings()]
        self._watch(level)
        try:
            ended = False
            while not ended:
                ended = self._ended.is_set()
                lines = _taken(readers, level)
                if lines:
                    yield "".join(f"{written(line)}\n" for line in lines).encode()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), _INTERVAL)
        finally:
            self._levels.remove(level)
            self._tell()

    def _watch(self, level: int) -> None:
        self._levels.append(level)
        self._tell()

    def _tell(self) -> None:
        self._journal.want(self._number, min(self._levels, default=0))


def _taken(readers: list[Reader], level: int) -> list[Line]:
    """The new lines of all processes in order of time; a line says where some are missing."""
    found: list[Line] = []
    for reader in readers:
        for lost, line in reader.take():
            if lost:
                found.append(_gap(lost, line))
            if line.level >= level:
                found.append(line)
    return sorted(found, key=lambda line: line.time_ns)


def _gap(lost: int, after: Line) -> Line:
    noun = "line was" if lost == 1 else "lines were"
    text = f"{lost} {noun} dropped here: they came faster than they were read"
    return Line(after.time_ns, LEVELS["warn"], after.role, after.pid, text)
