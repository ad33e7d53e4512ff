"""Rows of one shard in LMDB on a local disk: what a commit has acknowledged survives the machine.

Reads are snapshots taken by the event loop's thread; writes are gathered into commits by `writer`.
Processes share the environment; LMDB's lock lets one of them write at a time, and a killed
writer's lock is recovered by the next.
"""

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice, takewhile
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self, TypeVar

import lmdb

from custody.base.clock import Clock
from custody.base.errors import Unavailable
from custody.base.store import Generation, RawRows, RawTransaction
from custody.storage.generation import SUCCESSOR, LMDBGeneration
from custody.storage.layout import prepare, promote, remove_replaced
from custody.storage.space import FreeSpace
from custody.storage.writer import Job, Stamp, Writer

T = TypeVar("T")

MAP_SIZE = 1 << 40  # of address space; the file grows as it is used
MAX_READERS = 1024


class _Rows:
    """RawRows of one LMDB transaction."""

    __slots__ = ("_transaction", "get")
    __deletable__ = ("_transaction",)  # what compiles this asks for it

    def __init__(self, transaction: lmdb.Transaction) -> None:
        self._transaction = transaction
        self.get: Callable[[bytes], bytes | None] = transaction.get  # type: ignore[assignment]  # no buffers: bytes

    def scan(self, start: bytes, stop: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Up to `limit` pairs with start <= key < stop, in key order."""
        found: list[tuple[bytes, bytes]] = []
        if limit <= 0:
            return found
        with self._transaction.cursor() as cursor:
            if not cursor.set_range(start):
                return found
            pairs: Iterator[tuple[bytes, bytes]] = cursor.iternext()  # type: ignore[assignment]  # no buffers are asked for
            for key, value in pairs:
                if key >= stop:
                    break
                found.append((key, value))
                if len(found) == limit:
                    break
        return found

    def keys(self, start: bytes, stop: bytes, limit: int) -> list[bytes]:
        """As `scan`, keys only."""
        with self._transaction.cursor() as cursor:
            if not cursor.set_range(start):
                return []
            every: Iterator[bytes] = cursor.iternext(values=False)  # type: ignore[assignment]  # no buffers are asked for
            within = takewhile(lambda key: key < stop, every)
            return list(islice(within, max(0, limit)))


def _open(generation: Path, *, sync: bool = True) -> lmdb.Environment:
    return lmdb.open(
        str(generation),
        map_size=MAP_SIZE,
        mode=0o600,
        readahead=False,
        max_readers=MAX_READERS,
        max_spare_txns=4,
        sync=sync,
    )


def _open_draft(generation: Path) -> lmdb.Environment:
    """Without a sync of each transaction: it is synced as a whole before anybody relies on it."""
    return _open(generation, sync=False)


class _Snapshot(_Rows):
    """A read transaction as a context; the library keeps its reader slot for the next one.

    It does so only once nothing refers to the transaction, so a closed snapshot lets go of it:
    whatever still holds the snapshot (the traceback of a failure, say) holds no slot.
    """

    __slots__ = ()

    @property
    def revision(self) -> object:
        """The number of the last commit that it shows."""
        return self._transaction.id()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._transaction.abort()
        del self._transaction
        self.get = _closed


def _closed(key: bytes) -> bytes | None:
    del key
    raise RuntimeError("the snapshot is closed")


class LMDBStore:
    """A Store on an LMDB environment. Its methods are called by one event loop's thread."""

    __slots__ = ("_closed", "_env", "_space", "_writer", "path")

    def __init__(self, env: lmdb.Environment, writer: Writer, space: FreeSpace) -> None:
        self._env = env
        self._writer = writer
        self._space = space
        self._closed = False
        self.path = Path(env.path())

    @classmethod
    def open(
        cls, data: Path, *, stamp: Stamp, clock: Clock, low_water: int, shard: str = "root"
    ) -> Self:
        """Open a shard's current generation, making the first where there is none.

        `low_water` is in bytes. Must happen after exec: an environment does not survive a fork.
        Raises WrongFormat, UnfitFileSystem, OSError, lmdb.Error.
        """
        generation = prepare(data / shard)
        env = _open(generation)
        # A writer killed as it synced may have committed what readers do not see yet: LMDB shows
        # it when the lock is next taken, and a process that replaces the killed one takes it now.
        with env.begin(write=True) as transaction:
            successor = transaction.get(SUCCESSOR)
        if successor is not None:
            env.close()
            promote(data / shard, successor.decode())
            return cls.open(data, stamp=stamp, clock=clock, low_water=low_water, shard=shard)
        writer = Writer(env, _Rows, stamp, clock)
        return cls(env, writer, FreeSpace(generation.parent, low_water, clock))

    def snapshot(self) -> _Snapshot:
        """A snapshot; close it before the next await."""
        return _Snapshot(self._env.begin())

    def write(
        self, job: Callable[[RawTransaction], T], *, essential: bool = False
    ) -> asyncio.Future[T]:
        """Run `job` in the next commit; its value comes once that has been synced.

        Raises what `job` raises, StorageFull, and Unavailable when closed or for a commit that
        failed.
        """
        if self._closed:
            raise Unavailable("the store is closed")
        if not essential:
            self._space.check()
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._writer.submit(Job(job, future))
        return future

    def write_later(self, job: Callable[[RawTransaction], None]) -> None:
        """Add `job` to the next commit, within a tenth of a second.

        If it fails, the loop's exception handler is told. Raises Unavailable when closed.
        """
        if self._closed:
            raise Unavailable("the store is closed")
        self._writer.later(Job(job, None))

    def clear_dead_readers(self) -> int:
        """Free the reader slots of processes that died; how many."""
        return self._env.reader_check()

    def spool(self) -> IO[bytes]:
        """A file without a name on the store's file system."""
        return TemporaryFile(dir=self.path.parent)

    def check_room(self) -> None:
        """Raises StorageFull when little is left of the file system."""
        self._space.check()

    def begin_generation(self) -> LMDBGeneration:
        """An empty generation beside this one. Raises Unavailable where one is being built."""
        return LMDBGeneration(self.path.parent, _open_draft, _Rows, self._space)

    def replace(self, generation: Generation, last: Callable[[RawRows], None]) -> None:
        """Put `generation` in the place of this one, by one commit; `last` is run before it.

        Takes LMDB's lock for as long as `last` runs, so it must not run on the loop's thread.
        """
        if not isinstance(generation, LMDBGeneration):
            raise TypeError("a generation of another store")
        with self._env.begin(write=True) as transaction:
            if transaction.get(SUCCESSOR) is not None:
                raise Unavailable("the store was replaced meanwhile; try again")
            last(_Rows(transaction))
            generation.keep()  # whatever becomes of the commit
            transaction.put(SUCCESSOR, generation.name.encode())
        generation.promote()

    def remove_replaced(self) -> None:
        """Remove the generations before this one."""
        remove_replaced(self.path.parent)

    async def close(self) -> None:
        """Finish what was accepted and close."""
        if not self._closed:
            self._closed = True
            await self._writer.stop()
            self._env.close()
