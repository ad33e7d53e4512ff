"""Writing through the barrier: encrypts at once, then logs, counts and sums what was changed."""

from collections.abc import Callable
from typing import TypeVar, cast

from custody.barrier.digest import Change
from custody.barrier.keys import Keys
from custody.barrier.meta import SealChange
from custody.barrier.page import Page, Slip
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
from custody.storage.overlay import Overlay  # noqa: TC001 compiled: the class is there at run time

T = TypeVar("T")


class BarrierTransaction(Reader):
    """A view that may be changed; lives inside one raw transaction."""

    __slots__ = ("_bytes", "_changes", "_encryptions", "_keys", "_layer", "_note", "_replaced",
                 "_source", "_tables", "slip")  # fmt: skip

    def __init__(
        self, raw: RawTransaction, keys: Keys, source: Source, tables: frozenset[Table] = ENCRYPTED
    ) -> None:
        super().__init__(raw, keys.envelopes, keys.memo)
        self._layer = cast("Overlay", raw)  # as all are; compiled, this is a direct call
        self._keys = keys
        self._source = source
        self._tables = tables
        self._changes: list[Change] = []
        self._encryptions = 0
        self._bytes = 0
        self._replaced = 0  # bytes of the rows as they were before
        self._note: bytes | None = None
        self.slip: Slip | None = None  # of the note, once `finish` has kept it

    def fetch(self, place: bytes) -> bytes | None:
        """The row under a raw key as it is stored."""
        return self._layer.get(place)

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
        self._put(table, key, value)

    def put_memo(
        self, table: Table, key: bytes, value: bytes, decode: Callable[[bytes], T], decoded: T
    ) -> None:
        """As `put`, and `memo` need not decode: `decoded` must be what `decode` makes of `value`.

        It is believed of this very ciphertext alone, whatever becomes of the transaction.
        """
        after = self._put(table, key, value)
        self._memo.put((raw_key(table, key), decode), after, decoded)

    def _put(self, table: Table, key: bytes, value: bytes) -> bytes:
        if len(key) >= MAX_KEY:
            raise ValueError(f"a key of {len(key)} bytes is longer than {MAX_KEY - 1}")
        self._check_table(table)
        place = raw_key(table, key)
        before = self.fetch(place)
        after = self._envelopes.seal(table, key, value, self._source)
        self._layer.put(place, after)
        self._encryptions += 1
        if before is not None:
            self._replaced += len(before)
        self._keep((place, before, after), len(place) + len(after))
        return after

    def delete(self, table: Table, key: bytes) -> bool:
        """Remove the row; says whether it was there."""
        self._check_table(table)
        if len(key) >= MAX_KEY:
            return False
        place = raw_key(table, key)
        before = self.fetch(place)
        if before is None:
            return False
        self._layer.delete(place)
        self._replaced += len(before)
        self._keep((place, before, None), len(place))
        return True

    def change_seal(self, change: SealChange) -> None:
        """Replace rows of the seal. Raises SealChanged where others stand there."""
        change.apply(self._layer)
        for (place, before), (_, after) in zip(change.before, change.after, strict=True):
            self._keep((place, before, after), len(place) + len(after or b""))

    def note(self, note: bytes) -> None:
        """Leave `note` (a job has one) in OUTBOX, in a row with others of the commit."""
        self._note = note
        self._bytes += len(note)

    def finish(self, now_ns: int, request_id: str, flags: int) -> None:
        """Log, sum and count what was changed: the last thing that a job does. Raises Tampered."""
        changes = [change for change in self._changes if change[0][0] in LOGGED]
        if not changes and not self._encryptions and self._note is None:
            return
        page = Page.of(self._layer, self._keys, self._source)
        if changes:
            page.enter(self._layer, changes, now_ns, request_id, flags)
        page.count(self._encryptions)
        if self._note is not None:
            self.slip = page.note(self._note)

    def _check_table(self, table: Table) -> None:
        if table not in self._tables:
            raise ValueError(f"{table.name} is not written here")

    def _keep(self, change: Change, size: int) -> None:
        self._changes.append(change)
        self._bytes += size
        if len(self._changes) > MAX_TRANSACTION_KEYS or self._bytes > MAX_TRANSACTION_BYTES:
            raise TransactionTooLarge("the change is larger than one transaction may be")
