"""A count and a keyed sum over each table's rows: what shows a row missing, added or rolled back.

The sum is MSet-Add-Hash: the sum modulo 2^256 of a keyed pseudorandom function of each element
(D. Clarke et al., "Incremental Multiset Hash Functions and Their Application to Memory Integrity
Checking", ASIACRYPT 2003); here HMAC-SHA256 over an injective encoding of raw key and ciphertext.
The row also holds the position of the last log entry that touched the table.
"""

from collections.abc import Iterable, Mapping
from struct import Struct
from typing import NamedTuple

from custody.barrier.keyring import Keyring
from custody.barrier.points import PointRows
from custody.base.store import RawRows, RawTransaction, RawValues, Table
from custody.crypto.mac import Authenticator

MODULUS = 1 << 256  # of a sum
_SHAPE = Struct(">Q32sQ")
_DIGEST = bytes([Table.DIGEST])

Change = tuple[bytes, bytes | None, bytes | None]  # raw key, ciphertext before, ciphertext after


class Sum(NamedTuple):
    """How many rows, their sum, and the log's position when a row last changed."""

    rows: int
    total: int
    position: int


class Digests:
    """The sums of one shard's tables. One thread uses it."""

    __slots__ = ("_mac", "_points")

    def __init__(self, keyring: Keyring, shard: str) -> None:
        self._mac = Authenticator(keyring.derive("digest element", context=shard.encode())).mac
        self._points = PointRows(keyring.derive("digest row"), shard, "digest", _SHAPE)

    def element(self, place: bytes, ciphertext: bytes) -> int:
        """One row's part of the sum."""
        return int.from_bytes(self._mac(len(place).to_bytes(2, "big") + place + ciphertext), "big")

    def read(self, raw: RawValues, table: int) -> Sum:
        """The table's stored sum; all zero before its first row. Raises Tampered."""
        fields = self._points.get(raw, digest_key(table))
        if fields is None:
            return Sum(0, 0, 0)
        count, total, position = fields
        return Sum(count, int.from_bytes(total, "big"), position)  # type: ignore[arg-type]  # the shape is _SHAPE

    def added(
        self, raw: RawRows, known: Mapping[int, Sum], changes: Iterable[Change], position: int
    ) -> dict[int, Sum]:
        """The new sums of the tables that `changes` touch; the old ones are in `known`, else read.

        Raises Tampered.
        """
        deltas: dict[int, tuple[int, int]] = {}
        for place, before, after in changes:
            count, total = deltas.get(place[0], (0, 0))
            if before is not None:
                count, total = count - 1, total - self.element(place, before)
            if after is not None:
                count, total = count + 1, total + self.element(place, after)
            deltas[place[0]] = (count, total)
        sums = {}
        for table, (count, total) in deltas.items():
            last = known[table] if table in known else self.read(raw, table)
            sums[table] = Sum(last.rows + count, (last.total + total) % MODULUS, position)
        return sums

    def write(self, raw: RawTransaction, table: int, new: Sum) -> None:
        """Set a table's sum."""
        total = new.total.to_bytes(32, "big")
        self._points.put(raw, digest_key(table), new.rows, total, new.position)


def digest_key(table: int) -> bytes:
    """The raw key of a table's sum."""
    return _DIGEST + bytes([table])
