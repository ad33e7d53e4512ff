"""The barrier of a shard: the only way between plaintext and the store.

Sealed, it opens nothing. Unsealed, every value that leaves it authenticated in its place, and
every change that enters is encrypted, logged and summed in the commit that makes it.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, TypeVar

from custody.barrier.keyring import Keyring
from custody.barrier.keys import Keys
from custody.barrier.log import ESSENTIAL, HEAD, Retention
from custody.barrier.passing import Passing
from custody.barrier.rows import LOGGED, View
from custody.barrier.scrub import Checked, scrub
from custody.barrier.transaction import BarrierTransaction
from custody.base.clock import Clock
from custody.base.errors import Sealed
from custody.base.ids import Source
from custody.base.store import RawRows, RawTransaction, Store, Table, Tampered, Transaction

T = TypeVar("T")

_NOTHING: Final[dict[bytes, bytes | None]] = {}  # nobody changes a read-set
_UNLOGGED = frozenset({Table.OUTBOX})


class Barrier:
    """One scope's barrier over one shard's store."""

    def __init__(self, store: Store, clock: Clock, source: Source, shard: str = "root") -> None:
        self._store = store
        self._clock = clock
        self._source = source
        self._shard = shard
        self._keys: Keys | None = None
        self._floor: tuple[object, int] = (None, 0)  # revision, and the log's time in it

    @property
    def sealed(self) -> bool:
        """Whether there is no keyring."""
        return self._keys is None

    @property
    def keyring(self) -> Keyring:
        """The installed keyring. Raises Sealed."""
        return self._open().keyring

    def install(self, keyring: Keyring) -> None:
        """Unseal, or take a newer keyring of the same scope; an older one is ignored."""
        if self._keys is None or keyring.version > self._keys.keyring.version:
            self._keys = Keys(keyring, self._shard)

    def drop(self) -> None:
        """Seal: forget keys and everything decoded. What wipes memory is the process's end."""
        keys, self._keys = self._keys, None
        if keys is not None:
            keys.memo.clear()

    def snapshot(self) -> View:
        """A view of what is committed now; close it before the next await. Raises Sealed."""
        keys = self._keys
        if keys is None:
            raise Sealed
        return View(self._store.snapshot(), keys.envelopes, keys.memo)

    def write(
        self,
        fn: Callable[[BarrierTransaction], T],
        *,
        expect: dict[bytes, bytes | None] = _NOTHING,
        request_id: str = "",
        essential: bool = False,
        now_ns: int | None = None,
    ) -> Awaitable[T]:
        """Run `fn` in a transaction; its value once the commit is durable.

        `fn` is synchronous, does no I/O and may run more than once. `expect` is the read-set of
        the decision that allowed this write (`View.reads`): if one of its rows is another now,
        nothing happens and StaleDecision is raised. `now_ns` is the commit's time in the log.
        Raises also what `fn` raises, Sealed, StorageFull, Tampered and TransactionTooLarge.
        """
        time_ns = self._clock.now_ns() if now_ns is None else now_ns
        flags = ESSENTIAL if essential else 0

        def job(raw: RawTransaction) -> T:
            transaction = BarrierTransaction(raw, self._open(), self._source)
            transaction.verify(expect)
            value = fn(transaction)
            transaction.finish(time_ns, request_id, flags)
            return value

        return self._store.write(job, essential=essential)

    def write_later(self, fn: Callable[[Transaction], None]) -> None:
        """Run `fn` with the next commit, not awaited; it may touch the OUTBOX table only."""

        def job(raw: RawTransaction) -> None:
            keys = self._keys
            if keys is None:
                return  # sealed meanwhile: what this would have cleared, the next unseal does
            transaction = BarrierTransaction(raw, keys, self._source, _UNLOGGED)
            fn(transaction)
            transaction.finish(0, "", 0)

        self._store.write_later(job)

    def floor_ns(self, view: View) -> int:
        """The highest time in the log: no clock below it is believed.

        Raises Tampered, also where the log's head is missing: initialisation wrote the first.
        """
        revision, time_ns = self._floor
        if revision == view.revision and revision is not None:
            return time_ns
        head = self._open().books.log.head(view.raw)
        if not head.position:
            raise Tampered(Table.META.name, HEAD[1:], "the log has no head")
        self._floor = (view.revision, head.time_ns)
        return head.time_ns

    def count(self, view: View, table: Table) -> int:
        """How many rows a table has, as the sum kept of it says. Raises Tampered."""
        return self._open().books.digests.read(view.raw, table).rows

    def encryptions(self, view: View, term: int) -> int:
        """An upper bound on the encryptions done under `term`. Raises Tampered."""
        return self._open().books.counter.reserved(view.raw, term)

    def rows(self, view: View) -> int:
        """How many rows the logged tables hold, by their sums. Raises Tampered."""
        digests = self._open().books.digests
        return sum(digests.read(view.raw, table).rows for table in LOGGED)

    def scrub(
        self, view: View, batch: int = 500, parts: Sequence[str] | None = None
    ) -> Iterator[Checked]:
        """Check what is stored, or only `parts` of it: findings after each batch of rows.

        `view` must stay open until the end. Raises Sealed, KeyError for an unknown part.
        """
        return scrub(view.raw, Keys(self.keyring, self._shard), batch, parts)

    def passing(self, raw: RawRows) -> Passing:
        """Checks rows as somebody reads all of them, in one thread at a time. Raises Sealed."""
        return Passing(raw, self.keyring, self._shard)

    async def trim(self, keep: Retention, batch: int = 500) -> int:
        """Remove up to `batch` old log entries; how many went, 0 when done."""

        def job(raw: RawTransaction) -> int:
            return self._open().books.log.trim(raw, keep, batch)

        return await self._store.write(job, essential=True)

    def _open(self) -> Keys:
        if self._keys is None:
            raise Sealed
        return self._keys
