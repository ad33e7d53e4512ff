"""The store's tables in memory: Rows and Transaction in plaintext, strict where the real one is.

A test that keeps to this fake keeps to the contract of `custody.base.store`: keys fit on disk,
values are bytes, a read view is not written to, and `reads` fills only through `memo`.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from custody.base.store import MAX_KEY, MAX_TRANSACTION_BYTES, MAX_TRANSACTION_KEYS, Table

T = TypeVar("T")


_Memo = dict[tuple[bytes, Callable[[bytes], Any]], tuple[bytes, Any]]


class MemoryRows:
    """A Transaction over a dict of raw key → value; simple tests use it as it is.

    `snapshot` and `transaction` give views with a read-set of their own, as the barrier does.
    """

    def __init__(
        self,
        rows: Mapping[bytes, bytes] | None = None,
        memo: _Memo | None = None,
        *,
        writable: bool = True,
    ) -> None:
        self._values = dict(rows or {})
        self._order = sorted(self._values)
        self._memo: _Memo = {} if memo is None else memo
        self._writable = writable
        self._reads: dict[bytes, bytes | None] = {}
        self._written: dict[bytes, int] = {}  # raw key → bytes
        self._held = 0

    @property
    def rows(self) -> Mapping[bytes, bytes]:
        """Everything, raw key → value."""
        return self._values

    def snapshot(self) -> "MemoryRows":
        """The rows as they are now; refuses to be changed."""
        return MemoryRows(self._values, self._memo, writable=False)

    @contextmanager
    def transaction(self) -> Iterator["MemoryRows"]:
        """A view whose changes are kept if the block ends without an exception.

        Raises ValueError when it wrote more than a transaction may.
        """
        view = MemoryRows(self._values, self._memo)
        yield view
        view.check_size()
        self._values = dict(view.rows)
        self._order = sorted(self._values)

    def check_size(self) -> None:
        """Raise ValueError if more was written than a transaction may."""
        if len(self._written) > MAX_TRANSACTION_KEYS:
            raise ValueError(f"more than {MAX_TRANSACTION_KEYS} keys in one transaction")
        if sum(self._written.values()) > MAX_TRANSACTION_BYTES:
            raise ValueError(f"more than {MAX_TRANSACTION_BYTES} bytes in one transaction")

    @property
    def reads(self) -> Mapping[bytes, bytes | None]:
        """Raw key → value (or None) of everything read by `memo` so far."""
        return self._reads

    @property
    def changed(self) -> bool:
        """Whether anything was put or deleted so far."""
        return bool(self._written)

    @property
    def held(self) -> int:
        """Bytes of the rows put so far, and of those they replaced or that were deleted."""
        return self._held

    def get(self, table: Table, key: bytes) -> bytes | None:
        """The value under `key`, or None."""
        return self._values.get(_raw(table, key))

    def memo(self, table: Table, key: bytes, decode: Callable[[bytes], T]) -> T | None:
        """`decode` of the value, remembered as long as the value is the same; joins `reads`."""
        raw = _raw(table, key)
        value = self._reads[raw] = self._values.get(raw)
        if value is None:
            return None
        known = self._memo.get((raw, decode))
        if known is None or known[0] != value:
            known = self._memo[raw, decode] = (value, decode(value))
        decoded: T = known[1]
        return decoded

    def scan(
        self, table: Table, prefix: bytes, after: bytes = b"", limit: int = 1000
    ) -> list[tuple[bytes, bytes]]:
        """Up to `limit` (key, value) with that prefix and key > prefix + after, in order."""
        return [
            (key, self._values[_raw(table, key)]) for key in self.keys(table, prefix, after, limit)
        ]

    def keys(
        self, table: Table, prefix: bytes, after: bytes = b"", limit: int = 1000
    ) -> list[bytes]:
        """As `scan`, keys only."""
        start = bytes((table,)) + prefix
        place = bisect_right if after else bisect_left
        found: list[bytes] = []
        for raw in self._order[place(self._order, start + after) :]:
            if len(found) >= limit or not raw.startswith(start):
                break
            found.append(raw[1:])
        return found

    def put(self, table: Table, key: bytes, value: bytes) -> None:
        """Set the row. Raises ValueError for a key that would not fit, or on a snapshot."""
        raw = self._checked(table, key)
        if not isinstance(value, bytes):
            raise TypeError("a value is bytes")
        if raw not in self._values:
            insort(self._order, raw)
        self._held += len(raw) + len(value) + len(self._values.get(raw, b""))
        self._values[raw] = value
        self._written[raw] = len(value)

    def delete(self, table: Table, key: bytes) -> bool:
        """Remove the row; says whether it was there."""
        raw = self._checked(table, key)
        before = self._values.pop(raw, None)
        if before is None:
            return False
        self._held += len(raw) + len(before)
        del self._order[bisect_left(self._order, raw)]
        self._written[raw] = 0
        return True

    def _checked(self, table: Table, key: bytes) -> bytes:
        if not self._writable:
            raise ValueError("a snapshot is not written to")
        raw = _raw(table, key)
        if len(raw) > MAX_KEY:
            raise ValueError(f"a key of {len(raw)} bytes; at most {MAX_KEY} fit")
        return raw


def _raw(table: Table, key: bytes) -> bytes:
    if not isinstance(key, bytes):
        raise TypeError("a key is bytes")
    return bytes((table,)) + key
