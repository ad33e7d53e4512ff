"""Generations of a shard's data: building one beside the present one, and replacing that by it.

The new one is built under a name that is no generation's. The commit that replaces the present one
is a row in the *present* one that names its successor: from then on nobody writes there, and
whoever opens the shard next gives the successor its name and points CURRENT to it. So a crash at
any point leaves either the old data or the new, whole.
"""

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import lmdb

from custody.base.errors import StorageFull, Unavailable
from custody.base.store import RawRows, RawTransaction, Table
from custody.storage import layout
from custody.storage.overlay import Overlay
from custody.storage.space import FreeSpace, is_full

T = TypeVar("T")

SUCCESSOR: Final = bytes([Table.META]) + b"generation/successor"
_BATCH_ROWS: Final = 10_000
_BATCH_BYTES: Final = 8 * 1024 * 1024
_LOCK: Final = "RESTORE"

Row = tuple[bytes, bytes]
ReadRows = Callable[[lmdb.Transaction], RawRows]
Open = Callable[[Path], lmdb.Environment]


class LMDBGeneration:
    """A generation being built in a directory of its own. One thread uses it."""

    def __init__(self, shard: Path, opener: Open, read: ReadRows, space: FreeSpace) -> None:
        """Raises Unavailable where another is being built."""
        self._shard = shard
        self._read = read
        self._space = space
        self._last = b""  # the greatest key
        self._kept = False
        self._lock = _lock(shard)
        try:
            layout.remove_drafts(shard)
            self.name = layout.next_name(shard)
            self.path = layout.draft(shard, self.name)
            self.path.mkdir(mode=0o700)
            self._env = opener(self.path)
        except BaseException:
            os.close(self._lock)
            raise

    def load(self, rows: Iterable[Row]) -> None:
        """Put raw rows in batches; durable when it returns. Raises StorageFull."""
        for batch in _batches(rows):
            self._space.check()
            with self._begin() as transaction:
                for key, value in batch:
                    transaction.put(key, value, append=key > self._last)
                    self._last = max(self._last, key)
        self._env.sync(True)  # noqa: FBT003 - positional only

    def write(self, job: Callable[[RawTransaction], T]) -> T:
        """Run `job` in a transaction; durable when it returns. Raises StorageFull."""
        with self._begin() as transaction:
            layer = Overlay(self._read(transaction))
            value = job(layer)
            layer.commit.close(layer)
            for key in sorted(layer.changes):
                changed = layer.changes[key]
                if changed is None:
                    transaction.delete(key)
                else:
                    transaction.put(key, changed)
                    self._last = max(self._last, key)
        self._env.sync(True)  # noqa: FBT003 - positional only
        return value

    @contextmanager
    def snapshot(self) -> Iterator[RawRows]:
        """What it holds now."""
        transaction = self._env.begin()
        try:
            yield self._read(transaction)
        finally:
            transaction.abort()

    def keep(self) -> None:
        """The present data are about to name it their successor: never remove it from now on."""
        self._kept = True

    def promote(self) -> None:
        """Make it the shard's current generation: its predecessor names it already."""
        self._close()
        layout.promote(self._shard, self.name)

    def discard(self) -> None:
        """Remove it, unless it is kept."""
        if self._lock >= 0 and not self._kept:
            self._env.close()
            layout.remove_drafts(self._shard)  # under the lock: later drafts are somebody else's
        self._close()

    def _close(self) -> None:
        if self._lock >= 0:
            self._env.close()
            os.close(self._lock)
            self._lock = -1

    @contextmanager
    def _begin(self) -> Iterator[lmdb.Transaction]:
        try:
            with self._env.begin(write=True) as transaction:
                yield transaction
        except lmdb.Error as error:
            if not is_full(error):
                raise
            raise StorageFull(f"the file system of {self.path} is full") from error


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row[0]) + len(row[1])
        if len(batch) >= _BATCH_ROWS or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _lock(shard: Path) -> int:
    descriptor = os.open(shard / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise Unavailable("another restore is under way; try again when it is done") from error
    return descriptor
