"""The store in memory as jobs see it: it opens snapshots and transactions, and awaits writes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from custody.base.store import Table, Transaction
from custody.testing.rows import MemoryRows

T = TypeVar("T")


class MemoryTables:
    """A store whose writes can be cut off before their commit."""

    def __init__(self) -> None:
        self._rows = MemoryRows()
        self.changed = 0  # rows that differ since the last transaction

    @contextmanager
    def snapshot(self) -> Iterator[MemoryRows]:
        """A view that refuses to be changed."""
        yield self._rows.snapshot()

    @contextmanager
    def transaction(self, *, commit: bool = True) -> Iterator[MemoryRows]:
        """A view whose changes are kept if the block ends without an error and `commit` is set."""
        before = self._rows.rows
        scratch = MemoryRows(before)
        with (self._rows if commit else scratch).transaction() as txn:
            yield txn
        after = txn.rows
        self.changed = sum(before.get(key) != after.get(key) for key in {*before, *after})

    async def write(self, job: Callable[[Transaction], T], *, essential: bool = False) -> T:
        """Run `job` in a transaction, as the barrier does."""
        del essential
        with self.transaction() as txn:
            return job(txn)

    def table(self, table: Table) -> dict[bytes, bytes]:
        """All rows of a table."""
        return dict(self._rows.scan(table, b"", limit=1_000_000))
