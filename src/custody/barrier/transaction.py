"""Writing through the barrier: encrypts at once, then logs, counts and sums what was changed."""

from typing import cast

from custody.barrier.digest import Change
from custody.barrier.envelope import Envelopes
from custody.barrier.keys import Books
from custody.barrier.memo import Memo
from custody.barrier.meta import SealChange
from custody.barrier.page import Page
from custody.barrier.rows import ENCRYPTED, LOGGED, Reader, raw_key
from custody.base.errors import TransactionTooLarge
from custody.base.ids import Source
from custody.base.store import (
    MAX_KEY,
    MAX_TRANSACTION_BYTES,
    MAX_TRANSACTION_KEYS,
    RawTransaction,
    Table,
)


class BarrierTransaction(Reader):
    """A view that may be changed; lives inside one raw transaction."""

    __slots__ = ("_bytes", "_changes", "_delete", "_encryptions", "_put", "_replaced", "_source",
                 "_tables")  # fmt: skip

    def __init__(
        self,
        raw: RawTransaction,
        envelopes: Envelopes,
        memo: Memo,
        source: Source,
        tables: frozenset[Table] = ENCRYPTED,
    ) -> None:
        super().__init__(raw, envelopes, memo)
        self._put = raw.put
        self._delete = raw.delete
        self._source = source
        self._tables = tables
        self._changes: list[Change] = []
        self._encryptions = 0
        self._bytes = 0
        self._replaced = 0  # bytes of the rows as they were before

    @property
    def changed(self) -> bool:
        """Whether anything was put or deleted so far."""
        return bool(self._changes)

    @property
    def held(self) -> int:
        """Bytes in memory until the commit, of rows as they are and as they were."""
        return self._bytes + self._replaced

    def put(self, table: Table, key: bytes, value: bytes) -> None:
        """Encrypt `value` and set it. Raises ValueError for a key over the limit."""
        if len(key) >= MAX_KEY:
            raise ValueError(f"a key of {len(key)} bytes is longer than {MAX_KEY - 1}")
        self._check_table(table)
        place = raw_key(table, key)
        before = self._get(place)
        after = self._envelopes.seal(table, key, value, self._source)
        self._put(place, after)
        self._encryptions += 1
        if before is not None:
            self._replaced += len(before)
        self._note((place, before, after), len(place) + len(after))

    def delete(self, table: Table, key: bytes) -> bool:
        """Remove the row; says whether it was there."""
        self._check_table(table)
        if len(key) >= MAX_KEY:
            return False
        place = raw_key(table, key)
        before = self._get(place)
        if before is None:
            return False
        self._delete(place)
        self._replaced += len(before)
        self._note((place, before, None), len(place))
        return True

    def change_seal(self, change: SealChange) -> None:
        """Replace rows of the seal. Raises SealChanged where others stand there."""
        change.apply(cast("RawTransaction", self.raw))
        for (place, before), (_, after) in zip(change.before, change.after, strict=True):
            self._note((place, before, after), len(place) + len(after or b""))

    def finish(
        self, raw: RawTransaction, books: Books, now_ns: int, request_id: str, flags: int
    ) -> None:
        """Log, sum and count what was changed; `raw` is the transaction this one was made of."""
        if self._encryptions:
            books.counter.take(raw, self._encryptions)
        changes = [change for change in self._changes if change[0][0] in LOGGED]
        if not changes:
            return
        Page.of(raw, books).enter(raw, changes, now_ns, request_id, flags)

    def _check_table(self, table: Table) -> None:
        if table not in self._tables:
            raise ValueError(f"{table.name} is not written here")

    def _note(self, change: Change, size: int) -> None:
        self._changes.append(change)
        self._bytes += size
        if len(self._changes) > MAX_TRANSACTION_KEYS or self._bytes > MAX_TRANSACTION_BYTES:
            raise TransactionTooLarge("the change is larger than one transaction may be")
