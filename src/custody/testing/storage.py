"""A mount's rows in memory: the Storage contract, strict where the real store is strict."""

from bisect import bisect_right, insort
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar

from custody.base.store import MAX_TRANSACTION_BYTES, MAX_TRANSACTION_KEYS
from custody.plugin.storage import MAX_ENGINE_KEY

T = TypeVar("T")


class MemoryStorage:
    """Rows in a dict. `snapshot` and `transaction` give the two views that a handler may get."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.written: dict[bytes, int] | None = None  # key → bytes written, in a transaction
        self._order: list[bytes] = []
        self._memo: dict[tuple[bytes, bytes, Callable[[bytes], Any]], Any] = {}

    def snapshot(self) -> Self:
        """A view that refuses to be changed."""
        return self._copy()

    @contextmanager
    def transaction(self, *, commit: bool = True) -> Iterator[Self]:
        """A view whose changes take effect when the block ends without an error.

        With `commit` false they never do. Raises AssertionError over a transaction's limits.
        """
        view = self._copy()
        view.written = {}
        yield view
        assert len(view.written) <= MAX_TRANSACTION_KEYS  # noqa: S101 a fake's reason to be
        assert sum(view.written.values()) <= MAX_TRANSACTION_BYTES  # noqa: S101 the same
        if commit:
            self.rows, self._order = view.rows, view._order  # noqa: SLF001 its own kind

    def get(self, key: bytes) -> bytes | None:
        """The value under `key`, or None."""
        return self.rows.get(_checked(key))

    def memo(self, key: bytes, decode: Callable[[bytes], T]) -> T | None:
        """`decode` of the value, remembered by (key, value)."""
        value = self.rows.get(_checked(key))
        if value is None:
            return None
        known = (key, value, decode)
        if known not in self._memo:
            self._memo[known] = decode(value)
        decoded: T = self._memo[known]
        return decoded

    def prefetch(self, key: bytes, decode: Callable[[bytes], object]) -> None:
        """As `memo`; nobody can tell that it was called."""
        self.memo(key, decode)

    def scan(
        self, prefix: bytes, after: bytes = b"", limit: int = 1000
    ) -> list[tuple[bytes, bytes]]:
        """Up to `limit` (key, value) with that prefix and key > prefix + after, in order."""
        return [(key, self.rows[key]) for key in self.keys(prefix, after, limit)]

    def keys(self, prefix: bytes, after: bytes = b"", limit: int = 1000) -> list[bytes]:
        """As `scan`, keys only."""
        found: list[bytes] = []
        for position in range(
            bisect_right(self._order, _checked(prefix + after)), len(self._order)
        ):
            key = self._order[position]
            if len(found) == limit or not key.startswith(prefix):
                break
            found.append(key)
        return found

    def put(self, key: bytes, value: bytes) -> None:
        """Set the row. Raises TypeError in a snapshot."""
        self._count(key, len(key) + len(value))
        if key not in self.rows:
            insort(self._order, key)
        self.rows[key] = value

    def put_memo(self, key: bytes, value: bytes, decode: Callable[[bytes], T], decoded: T) -> None:
        """Set the row. Raises AssertionError where `decoded` is not what `value` comes to."""
        assert decode(value) == decoded  # noqa: S101 a fake's reason to be
        self.put(key, value)

    def delete(self, key: bytes) -> bool:
        """Remove the row; says whether it was there. Raises TypeError in a snapshot."""
        self._count(key, len(key))
        if key not in self.rows:
            return False
        self._order.remove(key)
        del self.rows[key]
        return True

    def _copy(self) -> Self:
        view = type(self)()
        view.rows, view._order = dict(self.rows), list(self._order)  # noqa: SLF001 its own kind
        view._memo = self._memo  # noqa: SLF001 its own kind
        return view

    def _count(self, key: bytes, size: int) -> None:
        if self.written is None:
            raise TypeError("a snapshot is not changed")
        self.written[_checked(key)] = size


def _checked(key: bytes) -> bytes:
    if len(key) > MAX_ENGINE_KEY:
        raise ValueError(f"key of {len(key)} bytes: the store takes {MAX_ENGINE_KEY}")
    return key
