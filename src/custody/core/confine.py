"""What handlers are given: an engine sees its own mount's rows, a built-in mount sees the store."""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar, cast

from custody.barrier.rows import Reader  # noqa: TC001 compiled: the class is there at run time
from custody.barrier.transaction import BarrierTransaction  # noqa: TC001 as above
from custody.base.secret import Secret
from custody.base.store import Rows, Table, Transaction
from custody.core.batch import find
from custody.core.desk import NO_TOKEN, Desk
from custody.policy import service as policies
from custody.token.entry import TokenEntry

T = TypeVar("T")
_ENGINE: Final = Table.ENGINE  # looked up once: a member of an enum is dear to look up


class MountStorage:
    """Rows below one mount's id in the engines' table."""

    __slots__ = ("_prefix", "_rows")

    def __init__(self, rows: Rows, mount_id: bytes) -> None:
        self._rows = cast("Reader", rows)  # as all are here; compiled, this is a direct call
        self._prefix = mount_id

    def get(self, key: bytes) -> bytes | None:
        """The plaintext under `key`, or None."""
        return self._rows.get(_ENGINE, self._prefix + key)

    def memo(self, key: bytes, decode: Callable[[bytes], T]) -> T | None:
        """`decode` of the plaintext, remembered by (key, ciphertext)."""
        return self._rows.memo(_ENGINE, self._prefix + key, decode)

    def prefetch(self, key: bytes, decode: Callable[[bytes], object]) -> None:
        """Have what `memo` will give at hand; the decision does not rest on it."""
        self._rows.prefetch(_ENGINE, self._prefix + key, decode)

    def scan(
        self, prefix: bytes, after: bytes = b"", limit: int = 1000
    ) -> list[tuple[bytes, bytes]]:
        """Up to `limit` (key, plaintext) of that prefix, key > prefix + after."""
        found = self._rows.scan(_ENGINE, self._prefix + prefix, after, limit)
        cut = len(self._prefix)
        return [(key[cut:], value) for key, value in found]

    def keys(self, prefix: bytes, after: bytes = b"", limit: int = 1000) -> list[bytes]:
        """As `scan`, keys only."""
        found = self._rows.keys(_ENGINE, self._prefix + prefix, after, limit)
        cut = len(self._prefix)
        return [key[cut:] for key in found]


class MountTransaction(MountStorage):
    """The same, in a transaction."""

    __slots__ = ("_txn",)

    def __init__(self, txn: Transaction, mount_id: bytes) -> None:
        super().__init__(txn, mount_id)
        self._txn = cast("BarrierTransaction", txn)

    def put(self, key: bytes, value: bytes) -> None:
        """Set the row."""
        self._txn.put(_ENGINE, self._prefix + key, value)

    def put_memo(self, key: bytes, value: bytes, decode: Callable[[bytes], T], decoded: T) -> None:
        """Set the row, and have what `memo` will give of it at hand."""
        self._txn.put_memo(_ENGINE, self._prefix + key, value, decode, decoded)

    def delete(self, key: bytes) -> bool:
        """Remove the row; says whether it was there."""
        return self._txn.delete(_ENGINE, self._prefix + key)


class SystemRows:
    """The whole store, to be read by a built-in mount's handler, with what it needs beside it."""

    __slots__ = ("accessor_hash", "batch", "catalog", "get", "keys", "memo", "presented", "rows",
                 "scan", "settings", "token_hash", "wrapping_key")  # fmt: skip

    def __init__(self, rows: Rows, desk: Desk, presented: Secret[str] = NO_TOKEN) -> None:
        self.rows = rows
        self.presented = presented
        self.get, self.memo = rows.get, rows.memo
        self.scan, self.keys = rows.scan, rows.keys
        self.token_hash, self.accessor_hash = desk.token_hash, desk.accessor_hash
        self.settings, self.catalog, self.batch = desk.settings, desk.catalog, desk.batch
        self.wrapping_key = desk.wrapping_key

    @property
    def reads(self) -> Mapping[bytes, bytes | None]:
        """What was read by `memo` so far."""
        return self.rows.reads

    def find_token(self, text: str, now_ns: int) -> tuple[bytes, TokenEntry | None]:
        """The hash of a token of either type, and its entry while it is good, else None."""
        return find(self.rows, self, text, now_ns)

    def policy_exists(self, name: str) -> bool:
        """Whether there is a policy of that name."""
        return policies.exists(self.rows, name)


class SystemTransaction(SystemRows):
    """The same, in a transaction."""

    __slots__ = ("delete", "put", "txn")

    def __init__(self, txn: Transaction, desk: Desk, presented: Secret[str] = NO_TOKEN) -> None:
        super().__init__(txn, desk, presented)
        self.txn = txn
        self.put, self.delete = txn.put, txn.delete

    @property
    def changed(self) -> bool:
        """Whether anything was put or deleted so far."""
        return self.txn.changed

    @property
    def held(self) -> int:
        """Bytes in memory until the commit."""
        return self.txn.held
