"""Those who watch the log through this process: `sys/monitor`'s side of the journal."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Final

from custody.base.errors import TooManyRequests
from custody.base.log import FORMS, LEVELS, Line
from custody.serve.journal import Journal, Reader

MOST: Final = 16  # watchers of one process
_INTERVAL: Final = 0.1  # seconds between looks
_LOOKS: Final = 10  # after which it is asked again whether one may


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

    def follow(self, level: str, form: str, may: Callable[[], bool]) -> AsyncGenerator[bytes, None]:
        """What every process of the node logs from now on, at `level` and above, while one `may`.

        Raises TooManyRequests, also at the first line where others have come before that.
        """
        self._admit()
        return self._follow(LEVELS[level], form, may)

    async def _follow(
        self, level: int, form: str, may: Callable[[], bool]
    ) -> AsyncGenerator[bytes, None]:
        self._admit()
        written = FORMS[form]
        readers = [Reader(ring) for ring in self._journal.rings()]
        self._watch(level)
        try:
            ended, looks = False, 0
            while not ended:
                ended, looks = self._ended.is_set(), looks + 1
                if looks % _LOOKS == 0 and not may():
                    return
                lines = _taken(readers, level)
                if lines:
                    yield "".join(f"{written(line)}\n" for line in lines).encode()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), _INTERVAL)
        finally:
            self._levels.remove(level)
            self._tell()

    def _admit(self) -> None:
        if len(self._levels) >= MOST:
            raise TooManyRequests("too many are watching the log through this process")

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
