"""The whole store in memory, as services, built-in mounts and jobs see it: named tables, one
snapshot or transaction at a time, strict about the limits of a transaction."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from custody.base.store import Table
from custody.testing.storage import MemoryStorage

T = TypeVar("T")


class MemoryRows:
    """One view: Rows, and Transaction where it was made by `MemoryTables.transaction`."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage
        self._reads: dict[bytes, bytes | None] = {}

    def get(self, table: Table, key: bytes) -> bytes | None:
        """The value under `key`, or None."""
        return self._storage.get(_raw(table, key))

    def memo(self, table: Table, key: bytes, decode: Callable[[bytes], T]) -> T | None:
        """`decode` of the value; the row is in the read-set from now on."""
        raw = _raw(table, key)
        self._reads[raw] = self._storage.get(raw)
        return self._storage.memo(raw, decode)

    def scan(
        self, table: Table, prefix: bytes, after: bytes = b"", limit: int = 1000
    ) -> list[tuple[bytes, bytes]]:
        """Up to `limit` (key, value) with that prefix and key > prefix + after, in order."""
        found = self._storage.scan(_raw(table, prefix), after, limit)
        return [(key[1:], value) for key, value in found]

    def keys(
        self, table: Table, prefix: bytes, after: bytes = b"", limit: int = 1000
    ) -> list[bytes]:
        """As `scan`, keys only."""
        return [key[1:] for key in self._storage.keys(_raw(table, prefix), after, limit)]

    @property
    def reads(self) -> Mapping[bytes, bytes | None]:
        """Everything read by `memo` so far."""
        return self._reads

    def put(self, table: Table, key: bytes, value: bytes) -> None:
        """Set the row. Raises TypeError in a snapshot."""
        self._storage.put(_raw(table, key), value)

    def delete(self, table: Table, key: bytes) -> bool:
        """Remove the row; says whether it was there. Raises TypeError in a snapshot."""
        return self._storage.delete(_raw(table, key))


class MemoryTables:
    """The store itself. `changed` is the number of rows that the last transaction touched."""

    def __init__(self) -> None:
        self.storage = MemoryStorage()
        self.changed = 0

    @contextmanager
    def snapshot(self) -> Iterator[MemoryRows]:
        """A view that refuses to be changed."""
        yield MemoryRows(self.storage.snapshot())

    @contextmanager
    def transaction(self, *, commit: bool = True) -> Iterator[MemoryRows]:
        """A view whose changes take effect when the block ends without an error."""
        with self.storage.transaction(commit=commit) as storage:
            yield MemoryRows(storage)
            self.changed = len(storage.written or ())

    async def write(self, job: Callable[[MemoryRows], T], *, essential: bool = False) -> T:
        """Run `job` in a transaction, as the barrier does."""
        del essential
        with self.transaction() as txn:
            return job(txn)

    def table(self, table: Table) -> dict[bytes, bytes]:
        """All rows of a table."""
        with self.snapshot() as rows:
            return dict(rows.scan(table, b"", limit=1_000_000))


def _raw(table: Table, key: bytes) -> bytes:
    return bytes((table,)) + key
