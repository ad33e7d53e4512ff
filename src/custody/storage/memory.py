"""Rows in memory: for tests, and for building a node's first rows before they are shipped.

Nothing here survives the process; a write is done when `write` returns.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO, TypeVar

from custody.base.store import Generation, RawRows, RawSnapshot, RawTransaction
from custody.storage.overlay import Changes, Overlay

T = TypeVar("T")


class _SortedRows:
    """A dict that knows its keys in order."""

    __slots__ = ("_order", "_values", "revision")

    def __init__(self, rows: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self.revision = object()
        self._values = dict(rows)
        self._order = sorted(self._values)

    def get(self, key: bytes) -> bytes | None:
        """The value under `key`, or None."""
        return self._values.get(key)

    def scan(self, start: bytes, stop: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Up to `limit` pairs with start <= key < stop, in key order."""
        return [(key, self._values[key]) for key in self.keys(start, stop, limit)]

    def keys(self, start: bytes, stop: bytes, limit: int) -> list[bytes]:
        """As `scan`, keys only."""
        first = bisect_left(self._order, start)
        last = min(bisect_left(self._order, stop), first + limit)
        return self._order[first:last]

    def apply(self, changes: Changes) -> None:
        """Make the changes, all of them."""
        self.revision = object()
        for key, value in changes.items():
            if value is not None:
                if key not in self._values:
                    insort(self._order, key)
                self._values[key] = value
            elif key in self._values:
                del self._values[key]
                del self._order[bisect_left(self._order, key)]

    def items(self) -> list[tuple[bytes, bytes]]:
        """All rows, in key order."""
        return [(key, self._values[key]) for key in self._order]


class MemoryStore:
    """A Store without a disk. One event loop's thread uses it."""

    __slots__ = ("_open", "_rows")

    def __init__(self, rows: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self._rows = _SortedRows(rows)
        self._open = 0

    @contextmanager
    def snapshot(self) -> Iterator[RawSnapshot]:
        """A snapshot; a write that comes while it is open does not show in it."""
        self._open += 1
        rows = self._rows
        try:
            yield rows
        finally:
            if rows is self._rows:
                self._open -= 1

    async def write(self, job: Callable[[RawTransaction], T], *, essential: bool = False) -> T:
        """Run `job` now; if it raises, nothing has happened."""
        del essential
        return self._apply(job)

    def write_later(self, job: Callable[[RawTransaction], None]) -> None:
        """Run `job` now."""
        self._apply(job)

    async def close(self) -> None:
        """Nothing is open."""

    def spool(self) -> IO[bytes]:
        """A file without a name."""
        return TemporaryFile()

    def check_room(self) -> None:
        """There is room."""

    def begin_generation(self) -> "MemoryGeneration":
        """An empty generation beside this one."""
        return MemoryGeneration()

    def replace(self, generation: Generation, last: Callable[[RawRows], None]) -> None:
        """Put `generation` in the place of these rows; `last` is run before it."""
        if not isinstance(generation, MemoryGeneration):
            raise TypeError("a generation of another store")
        last(self._rows)
        self.load(generation.dump())

    def dump(self) -> list[tuple[bytes, bytes]]:
        """All raw rows, in key order."""
        return self._rows.items()

    def load(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Replace everything by `rows`."""
        self._rows = _SortedRows(rows)
        self._open = 0

    def _apply(self, job: Callable[[RawTransaction], T]) -> T:
        transaction = Overlay(self._rows)
        value = job(transaction)
        transaction.commit.close(transaction)
        if self._open:
            self.load(self._rows.items())
        self._rows.apply(transaction.changes)
        return value


class MemoryGeneration:
    """A Generation in memory."""

    __slots__ = ("_rows",)

    def __init__(self) -> None:
        self._rows = _SortedRows()

    def load(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Put raw rows."""
        self._rows.apply(dict(rows))

    def write(self, job: Callable[[RawTransaction], T]) -> T:
        """Run `job`; if it raises, nothing has happened."""
        transaction = Overlay(self._rows)
        value = job(transaction)
        self._rows.apply(transaction.changes)
        return value

    @contextmanager
    def snapshot(self) -> Iterator[RawRows]:
        """What it holds now."""
        yield self._rows

    def discard(self) -> None:
        """It goes by itself."""

    def dump(self) -> list[tuple[bytes, bytes]]:
        """All raw rows, in key order."""
        return self._rows.items()
