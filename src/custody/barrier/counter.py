"""How many encryptions each term has done: reserved in blocks, so that the count is never too low.

AES-GCM with random nonces wants a new key well before 2^32 encryptions (NIST SP 800-38D, 8.3).
"""

from struct import Struct

from custody.barrier.keyring import Keyring
from custody.barrier.points import PointRows
from custody.base.store import RawRows, RawTransaction, Table

BLOCK = 65_536
_SHAPE = Struct(">Q")
_PREFIX = bytes([Table.META]) + b"encryptions/"


class Counter:
    """Takes encryptions of the newest term from the block this process has. One thread uses it."""

    __slots__ = ("_left", "_place", "_points", "_reached")

    def __init__(self, keyring: Keyring, shard: str) -> None:
        self._points = PointRows(keyring.derive("encryption count"), shard, "count", _SHAPE)
        self._place = count_key(keyring.term)
        self._left = 0
        self._reached = 0

    def take(self, raw: RawTransaction, number: int) -> None:
        """Account for `number` encryptions, reserving a block where needed. Raises Tampered.

        A block counts only while the row reaches what the reservation wrote: one whose commit
        failed is reserved again.
        """
        total = self._total(raw, self._place)
        if number > self._left or total < self._reached:
            blocks = -(-number // BLOCK)
            total += blocks * BLOCK
            self._points.put(raw, self._place, total)
            self._left = blocks * BLOCK
            self._reached = total
        self._left -= number

    def reserved(self, raw: RawRows, term: int) -> int:
        """An upper bound on the encryptions under `term`: over by a block per process start."""
        return self._total(raw, count_key(term))

    def _total(self, raw: RawRows, place: bytes) -> int:
        fields = self._points.get(raw, place)
        return 0 if fields is None else int(fields[0])


def count_key(term: int) -> bytes:
    """The raw key of a term's count."""
    return _PREFIX + term.to_bytes(4, "big")
