"""The contracts between what is kept and those who keep it.

Two levels. `RawRows`/`RawTransaction`/`Store` are bytes under bytes, what a storage backend gives.
`Rows`/`Transaction` are what services and core see: plaintext values in named tables, encrypted,
bound to their place, logged and counted by the barrier below them.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from enum import IntEnum
from typing import IO, Any, Protocol, TypeVar, runtime_checkable

T = TypeVar("T")

FORMAT = 2  # of what is stored; 1: payloads of KV version 2 lay apart, which is read, never written
MAX_KEY = 511  # LMDB's limit, table byte included
MAX_TRANSACTION_KEYS = 10_000
MAX_TRANSACTION_BYTES = 16 * 1024 * 1024
MAX_BATCH_BYTES = 4 * 1024 * 1024  # held by one batch of a job, or a single row's; see `bounded`


class Table(IntEnum):
    """The first byte of every key on disk. Never renumber: these are bytes on disk.

    META, LOG and DIGEST are not encrypted; LOG is chained by HMAC, DIGEST holds keyed sums.
    OUTBOX is encrypted but neither logged nor counted: it is this node's own and short-lived.
    All others are encrypted, logged and counted.
    """

    META = 0x00
    LOG = 0x01
    DIGEST = 0x02
    OUTBOX = 0x03
    MOUNT = 0x10
    AUDIT = 0x11
    POLICY = 0x12
    TOKEN = 0x13
    ACCESSOR = 0x14
    CHILD = 0x15
    EXPIRY = 0x16
    REVOCATION = 0x17
    SETTING = 0x18
    CUBBYHOLE = 0x19
    OPENED = 0x1A
    ROLE = 0x1B
    ENGINE = 0x40


class RawValues(Protocol):
    """Bytes under bytes, such as a snapshot's or a mapping's."""

    def get(self, key: bytes, /) -> bytes | None:
        """The value under `key`, or None."""
        ...


class RawRows(RawValues, Protocol):
    """A consistent snapshot of a backend."""

    def get(self, key: bytes) -> bytes | None:
        """The value under `key`, or None."""
        ...

    def scan(self, start: bytes, stop: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Up to `limit` pairs with start <= key < stop, in key order."""
        ...

    def keys(self, start: bytes, stop: bytes, limit: int) -> list[bytes]:
        """As `scan`, keys only: no value comes into memory, however large."""
        ...


class RawSnapshot(RawRows, Protocol):
    """What is committed at one moment."""

    @property
    def revision(self) -> object:
        """Names that moment: snapshots of one store with equal revisions hold the same rows."""
        ...


class Commit:
    """What the jobs of one commit share, and what is done once, after the last of them.

    A job touches it only when nothing of it can fail any more: what is here is not undone.
    """

    __slots__ = ("closing", "shared")

    def __init__(self) -> None:
        self.shared: dict[object, Any] = {}  # by whoever put it there
        self.closing: list[Callable[[RawTransaction], None]] = []

    def close(self, transaction: "RawTransaction") -> None:
        """Do what was left for the end."""
        for each in self.closing:
            each(transaction)


class RawTransaction(RawRows, Protocol):
    """A snapshot that may be changed; what it writes it also reads.

    The barrier, which is compiled, takes a store's to be a `storage.overlay.Overlay`.
    """

    @property
    def commit(self) -> Commit:
        """What the jobs of this commit share."""
        ...

    def put(self, key: bytes, value: bytes) -> None:
        """Set `key` to `value`."""
        ...

    def delete(self, key: bytes) -> bool:
        """Remove `key`; says whether it was there."""
        ...


class Store(Protocol):
    """One shard's durable rows."""

    def snapshot(self) -> AbstractContextManager[RawSnapshot]:
        """A snapshot; it must be closed before the next await."""
        ...

    def write(self, job: Callable[[RawTransaction], T], *, essential: bool = False) -> Awaitable[T]:
        """Run `job` in a transaction; its value comes once the commit is durable.

        Jobs of one process share a commit; each is isolated, so one that raises undoes only
        itself. A job may run more than once and does no I/O. `essential` jobs
        (revocations, deletions, sealing) are taken even below the low-water mark; others then
        raise StorageFull.
        """
        ...

    def write_later(self, job: Callable[[RawTransaction], None]) -> None:
        """Add `job` to the next commit, or commit it within a tenth of a second; not awaited."""
        ...

    async def close(self) -> None:
        """Finish what was accepted and close."""
        ...


class Generation(Protocol):
    """A store's data being built beside the present ones; nobody sees it before it replaces them.

    It is built by one thread, which need not be that of the event loop.
    """

    def load(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Put raw rows, in batches, synced at the end. Raises StorageFull."""
        ...

    def write(self, job: Callable[[RawTransaction], T]) -> T:
        """Run `job` in a transaction; durable when it returns."""
        ...

    def snapshot(self) -> AbstractContextManager[RawRows]:
        """What it holds now."""
        ...

    def discard(self) -> None:
        """Remove it; nothing happens once it has replaced the present one."""
        ...


@runtime_checkable
class Replaceable(Store, Protocol):
    """A store whose data can be replaced as a whole."""

    def spool(self) -> IO[bytes]:
        """A file without a name, for bytes on their way, on the store's file system."""
        ...

    def check_room(self) -> None:
        """Raises StorageFull when little is left of the file system."""
        ...

    def begin_generation(self) -> Generation:
        """An empty generation. Raises Unavailable where one is being built already."""
        ...

    def replace(self, generation: Generation, last: Callable[[RawRows], None]) -> None:
        """Put `generation` in the place of the present data, by one commit.

        `last` is called before it with the present rows, while nobody can write: what it carries
        over is complete. From that commit on every write to the old data raises Unavailable, in
        every process; the new ones are seen by those who open the store anew.
        """
        ...


class Rows(Protocol):
    """A decrypted, authenticated view of a snapshot."""

    def get(self, table: Table, key: bytes) -> bytes | None:
        """The plaintext under `key`. Raises Tampered when it does not open in its place."""
        ...

    def memo(self, table: Table, key: bytes, decode: Callable[[bytes], T]) -> T | None:
        """`decode` of the plaintext, remembered by (table, key, ciphertext).

        The row is read each time; only the decoding is saved. Never for secret payloads.
        What is read this way is remembered as the read-set of the decision (see `reads`).
        """
        ...

    def scan(
        self, table: Table, prefix: bytes, after: bytes = b"", limit: int = 1000
    ) -> list[tuple[bytes, bytes]]:
        """Up to `limit` (key, plaintext) with that prefix and key > prefix + after, in order.

        `after` is relative to the prefix and exclusive; empty means from the start. Keys in the
        answer are whole keys (table byte not included).
        """
        ...

    def keys(
        self, table: Table, prefix: bytes, after: bytes = b"", limit: int = 1000
    ) -> list[bytes]:
        """As `scan`, keys only, values not decrypted."""
        ...

    @property
    def reads(self) -> Mapping[bytes, bytes | None]:
        """Raw key → ciphertext (or None) of everything read by `memo` so far."""
        ...


class Transaction(Rows, Protocol):
    """A view that may be changed."""

    @property
    def changed(self) -> bool:
        """Whether anything was put or deleted so far."""
        ...

    @property
    def held(self) -> int:
        """Bytes in memory until the commit: of the rows put so far, and of those they replaced or
        that were deleted."""
        ...

    def put(self, table: Table, key: bytes, value: bytes) -> None:
        """Encrypt `value` and set it."""
        ...

    def delete(self, table: Table, key: bytes) -> bool:
        """Remove the row; says whether it was there."""
        ...


def bounded(txn: Transaction, keys: Iterable[bytes]) -> Iterator[bytes]:
    """Those of `keys` that a batch still has room for; it ends early once the batch is full.

    So a batch of a job is bounded by bytes, whatever the size of the rows that it changes.
    """
    for key in keys:
        if txn.held >= MAX_BATCH_BYTES:
            return
        yield key


class Tampered(Exception):
    """A stored row does not authenticate in its place. Names table and key, never a value."""

    def __init__(self, table: str, key: bytes, reason: str) -> None:
        super().__init__(f"{table} {key.hex()}: {reason}")
        self.table = table
        self.key = key
        self.reason = reason


class StaleDecision(Exception):
    """What a decision was read from has changed since; decide again."""
