"""Reading through the barrier: a snapshot whose values are decrypted and authenticated.

This is the hot path of every request; measured costs are in `bench`. A `memo` that hits is one
read of the backend, one lookup and one comparison of bytes.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Self, TypeVar

from custody.barrier.digest import digest_key
from custody.barrier.envelope import Envelopes
from custody.barrier.memo import Memo
from custody.base.store import MAX_KEY, RawRows, RawSnapshot, StaleDecision, Table

T = TypeVar("T")

_PREFIX = tuple(bytes([number]) for number in range(256))
ENCRYPTED = frozenset(Table) - {Table.META, Table.LOG, Table.DIGEST}
LOGGED = ENCRYPTED - {Table.OUTBOX}


def raw_key(table: Table, key: bytes) -> bytes:
    """What a backend keeps a row under."""
    return _PREFIX[table] + key


def after_prefix(prefix: bytes) -> bytes:
    """The smallest key above all that begin with `prefix` (which holds a byte under 0xff)."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1])


def after_key(key: bytes) -> bytes:
    """The smallest possible key above `key`, within the limit on a key's length."""
    if len(key) < MAX_KEY:
        return key + b"\x00"
    return after_prefix(key[:MAX_KEY])


class Reader:
    """What a view and a transaction share: Rows over some RawRows."""

    __slots__ = ("_envelopes", "_memo", "raw", "reads")

    def __init__(self, raw: RawRows, envelopes: Envelopes, memo: Memo) -> None:
        self.raw = raw
        self.reads: dict[bytes, bytes | None] = {}
        self._envelopes = envelopes
        self._memo = memo

    def fetch(self, place: bytes) -> bytes | None:
        """The row under a raw key as it is stored."""
        return self.raw.get(place)

    def verify(self, reads: dict[bytes, bytes | None]) -> None:
        """Raises StaleDecision if what another view has read is not what stands here."""
        for place, ciphertext in reads.items():
            if self.fetch(place) != ciphertext:
                raise StaleDecision("what the decision was read from has changed")

    def get(self, table: Table, key: bytes) -> bytes | None:
        """The plaintext under `key`; None also for a key longer than any can be.

        Raises Tampered, or UnknownTerm.
        """
        if len(key) >= MAX_KEY:
            return None
        ciphertext = self.fetch(_PREFIX[table] + key)
        if ciphertext is None:
            return None
        return self._envelopes.open(table, key, ciphertext)

    def memo(self, table: Table, key: bytes, decode: Callable[[bytes], T]) -> T | None:
        """`decode` of the plaintext, remembered; `decode` must be the same object each time."""
        if len(key) >= MAX_KEY:
            return None
        place = _PREFIX[table] + key
        ciphertext = self.reads[place] = self.fetch(place)
        return None if ciphertext is None else self._known(table, place, ciphertext, decode)

    def prefetch(self, table: Table, key: bytes, decode: Callable[[bytes], object]) -> None:
        """Have what `memo` will give at hand, without joining what was read."""
        if len(key) >= MAX_KEY:
            return
        place = _PREFIX[table] + key
        ciphertext = self.fetch(place)
        if ciphertext is not None:
            self._known(table, place, ciphertext, decode)

    def _known(
        self, table: Table, place: bytes, ciphertext: bytes, decode: Callable[[bytes], T]
    ) -> T:
        known = self._memo.entries.get((place, decode))
        if known is not None and known[0] == ciphertext:
            value: T = known[1]
            return value
        value = decode(self._envelopes.open(table, place[1:], ciphertext))
        self._memo.put((place, decode), ciphertext, value)
        return value

    def scan(
        self, table: Table, prefix: bytes, after: bytes = b"", limit: int = 1000
    ) -> list[tuple[bytes, bytes]]:
        """Up to `limit` (key, plaintext) under the prefix and above prefix + after, in order."""
        opened = self._envelopes.open
        return [
            (place[1:], opened(table, place[1:], ciphertext))
            for place, ciphertext in self.raw.scan(*_range(table, prefix, after), limit)
        ]

    def keys(
        self, table: Table, prefix: bytes, after: bytes = b"", limit: int = 1000
    ) -> list[bytes]:
        """As `scan`, keys only; the values are neither decrypted nor authenticated."""
        return [place[1:] for place in self.raw.keys(*_range(table, prefix, after), limit)]


class View(Reader):
    """A snapshot; close it before the next await."""

    __slots__ = ("_get", "_snapshot", "revision")

    def __init__(
        self, snapshot: AbstractContextManager[RawSnapshot], envelopes: Envelopes, memo: Memo
    ) -> None:
        raw = snapshot.__enter__()
        super().__init__(raw, envelopes, memo)
        self._get = raw.get
        self._snapshot = snapshot
        self.revision = raw.revision  # equal ones of one store: the same rows

    def fetch(self, place: bytes) -> bytes | None:
        """The row under a raw key as it is stored."""
        return self._get(place)

    def sums(self, tables: Iterable[Table]) -> tuple[bytes | None, ...]:
        """The tables' sums as they are stored: where one is what it was, no row has changed."""
        return tuple([self._get(digest_key(table)) for table in tables])

    def same(self, reads: Mapping[bytes, bytes | None]) -> bool:
        """Whether what another view has read stands here too."""
        get = self._get
        return all(get(place) == ciphertext for place, ciphertext in reads.items())

    def close(self) -> None:
        """Give the snapshot back, and keep nothing of it; once."""
        self._snapshot.__exit__(None, None, None)
        self._get = self.raw.get

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _range(table: Table, prefix: bytes, after: bytes) -> tuple[bytes, bytes]:
    """The first raw key of a scan, and the one before which it ends."""
    if table not in ENCRYPTED:
        raise ValueError(f"{table.name} is not read through the barrier")
    place = _PREFIX[table] + prefix
    if len(place) > MAX_KEY:
        return place[:MAX_KEY], place[:MAX_KEY]  # no key is that long: nothing
    return after_key(place + after) if after else place, after_prefix(place)
