"""A count and a keyed sum over each table's rows: what shows a row missing, added or rolled back.

The sum is MSet-Add-Hash: the sum modulo 2^256 of a keyed pseudorandom function of each element
(D. Clarke et al., "Incremental Multiset Hash Functions and Their Application to Memory Integrity
Checking", ASIACRYPT 2003); here HMAC-SHA256 over an injective encoding of raw key and ciphertext.
The row also holds the position of the last log entry that touched the table.
"""

from collections.abc import Iterable
from struct import Struct

from custody.barrier.keyring import Keyring
from custody.barrier.points import PointRows
from custody.base.store import RawRows, RawTransaction, RawValues, Table
from custody.crypto.mac import Authenticator

MODULUS = 1 << 256  # of a sum
_SHAPE = Struct(">Q32sQ")
_DIGEST = bytes([Table.DIGEST])

Change = tuple[bytes, bytes | None, bytes | None]  # raw key, ciphertext before, ciphertext after


class Sum:
    """How many rows, their sum, and the log's position when a row last changed.

    It changes in place: every job of a commit moves it, and only the commit's end is stored.
    """

    __slots__ = ("position", "rows", "total")

    def __init__(self, rows: int, total: int, position: int) -> None:
        self.rows = rows
        self.total = total
        self.position = position


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

    def find(self, raw: RawRows, sums: dict[int, Sum], changes: Iterable[Change]) -> None:
        """Have in `sums` those of the tables that `changes` touch, all or none. Raises Tampered."""
        read: dict[int, Sum] = {}
        for place, _, _ in changes:
            if place[0] not in sums and place[0] not in read:
                read[place[0]] = self.read(raw, place[0])
        sums.update(read)

    def add(self, sums: dict[int, Sum], changes: Iterable[Change], position: int) -> None:
        """Bring `sums`, which `find` made complete, to what they are after `changes`.

        A total may leave the modulus' range until it is written.
        """
        for place, before, after in changes:
            moved = sums[place[0]]
            if before is not None:
                moved.rows -= 1
                moved.total -= self.element(place, before)
            if after is not None:
                moved.rows += 1
                moved.total += self.element(place, after)
            moved.position = position

    def write(self, raw: RawTransaction, table: int, new: Sum) -> None:
        """Set a table's sum."""
        total = (new.total % MODULUS).to_bytes(32, "big")
        self._points.put(raw, digest_key(table), new.rows, total, new.position)


def digest_key(table: int) -> bytes:
    """The raw key of a table's sum."""
    return _DIGEST + bytes([table])
