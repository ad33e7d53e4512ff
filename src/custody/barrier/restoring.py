"""Builds the data that a restore leaves: a snapshot's rows, and what must not go back.

A snapshot of the same store is an older state of it. Taken as it is, it would revive tokens that
were revoked and versions that were destroyed since, and make time and counts go back. So from the
present data come: the seal and its keyring, the counts of encryptions, the end of the log, all
tokens with what belongs to them, the audit devices; and engines say of their own rows what stays
destroyed.

The new data are built while the present ones serve. What was changed meanwhile is found in the log
and carried over, the rest of it while nobody can write.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from custody.barrier import log as change_log
from custody.barrier.digest import MODULUS, Sum
from custody.barrier.envelope import Envelopes
from custody.barrier.keyring import Keyring
from custody.barrier.keys import Books
from custody.barrier.memo import Memo
from custody.barrier.rows import LOGGED, Reader, after_key
from custody.barrier.snapshot import ROWS, Refused, Row
from custody.base.errors import Unavailable
from custody.base.ids import Source
from custody.base.store import Generation, RawRows, RawTransaction, Rows, Table, Tampered

KEPT: Final = frozenset(
    {
        Table.AUDIT,
        Table.TOKEN,
        Table.ACCESSOR,
        Table.CHILD,
        Table.EXPIRY,
        Table.REVOCATION,
        Table.CUBBYHOLE,
        Table.OPENED,
    }
)
"""Tables that come from the present data as a whole."""

RESTORED: Final = 2  # a flag of a log entry: the data before it are a snapshot's
_RESTORED_TABLES: Final = LOGGED - KEPT
_BATCH: Final = 500
_MEMO: Final = 1024 * 1024  # bytes
_ENGINE: Final = bytes([Table.ENGINE])
_MOUNT_ID: Final = 8

Decide = Callable[[bytes, bytes, bytes | None], Mapping[bytes, bytes | None]]
"""What to change in a restored mount, by key: of a row's key, restored and present value."""


class Survivor(NamedTuple):
    """How an engine decides on rows of a mount: those whose keys in it begin so and are so long."""

    prefix: bytes
    size: int
    decide: Decide


class Merge:
    """One restore of a snapshot of the same store. One thread uses it."""

    def __init__(
        self,
        generation: Generation,
        keyring: Keyring,
        shard: str,
        source: Source,
        now_ns: int,
    ) -> None:
        self._generation = generation
        self._books = Books(keyring, shard)
        self._envelopes = Envelopes(keyring)
        self._source = source
        self._now_ns = now_ns
        self._sums: dict[int, list[int]] = {table: [0, 0] for table in LOGGED}
        self._survivors: Mapping[bytes, Survivor] = {}
        self._encryptions = 0

    def load(self, rows: Iterable[Row]) -> None:
        """Take the snapshot's part of the data. Raises Refused where its sums do not hold."""
        digests: dict[bytes, bytes] = {}

        def taken() -> Iterator[Row]:
            for place, value in rows:
                if place[0] == Table.DIGEST:
                    digests[place] = value
                elif place[0] in _RESTORED_TABLES:
                    self._count(place, None, value)
                    yield place, value

        self._generation.load(taken())
        for table in _RESTORED_TABLES:
            try:
                said = self._books.digests.read(digests, table)
            except Tampered as error:
                raise Refused(f"the sum of {Table(table).name} is not this store's") from error
            if [said.rows, said.total] != self._sums[table]:
                raise Refused(f"{Table(table).name} has not the rows that were summed")

    def carry(self, live: RawRows) -> int:
        """Take what comes from the present data; the position of the log that it stands at."""
        for table in sorted(KEPT):
            self._generation.load(self._counted(live, table))
        return self._books.log.head(live).position

    def decide(self, live: RawRows, survivors: Mapping[bytes, Survivor]) -> None:
        """Have engines decide on the rows that they want to, where these are not as they are now.

        `survivors` is by mount id, of the mounts that are there before and after.
        """
        self._survivors = survivors
        for mount, survivor in survivors.items():
            prefix = survivor.prefix
            start, stop = _ENGINE + mount + prefix, _ENGINE + mount + _next(prefix)
            while True:
                with self._generation.snapshot() as rows:
                    found = rows.keys(start, stop, _BATCH)
                if not found:
                    break
                self._apply(self._decided(live, found))
                start = after_key(found[-1])

    def follow(self, live: RawRows, position: int) -> int:
        """Carry over what was changed after `position`; the position reached, 500 entries at most.

        Raises Unavailable where the log was trimmed meanwhile.
        """
        entries = change_log.read_entries(live, position, _BATCH)
        if not entries:
            return position
        if entries[0].position != position + 1:
            raise Unavailable("more was written meanwhile than the log holds; try again")
        places = {place for entry in entries for _, place, _ in entry.operations}
        self._apply({place: live.get(place) for place in places if place[0] in KEPT})
        self._apply(self._decided(live, [place for place in places if place[0] == Table.ENGINE]))
        return entries[-1].position

    def finish(self, live: RawRows, position: int) -> None:
        """The last part, while nobody can write: what is left of the log, and the books."""
        while (reached := self.follow(live, position)) != position:
            position = reached
        self._generation.load(_table(live, Table.OUTBOX))
        self._generation.load(_table(live, Table.META))
        self._generation.write(self._close_books)

    def _close_books(self, raw: RawTransaction) -> None:
        books = self._books
        books.log.forget(raw)
        if self._encryptions:
            books.counter.take(raw, self._encryptions)
        last = books.log.head(raw)
        row, head = books.log.following(last, [], self._now_ns, "", RESTORED)
        raw.put(change_log.entry_key(head.position), row)
        books.log.set_head(raw, head)
        for table, (rows, total) in self._sums.items():
            books.digests.write(raw, table, Sum(rows, total, head.position))

    def _counted(self, live: RawRows, table: Table) -> Iterator[Row]:
        for place, value in _table(live, table):
            self._count(place, None, value)
            yield place, value

    def _decided(self, live: RawRows, places: Iterable[bytes]) -> dict[bytes, bytes | None]:
        changes: dict[bytes, bytes | None] = {}
        for place in places:
            mount = place[1 : 1 + _MOUNT_ID]
            survivor, key = self._survivors.get(mount), place[1 + _MOUNT_ID :]
            if survivor is None or len(key) != survivor.size or not key.startswith(survivor.prefix):
                continue
            with self._generation.snapshot() as rows:
                restored = rows.get(place)
            present = live.get(place)
            if restored is None or restored == present:
                continue
            plain = self._open(place, restored)
            now = None if present is None else self._open(place, present)
            wanted = survivor.decide(key, plain, now)
            for name, value in wanted.items():
                other = _ENGINE + mount + name
                changes[other] = None if value is None else self._seal(other, value)
        return changes

    def _apply(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Make changes in the new data, each counted in the sum of its table."""
        if not changes:
            return

        def job(raw: RawTransaction) -> None:
            for place, value in changes.items():
                self._count(place, raw.get(place), value)
                if value is None:
                    raw.delete(place)
                else:
                    raw.put(place, value)

        self._generation.write(job)

    def _count(self, place: bytes, before: bytes | None, after: bytes | None) -> None:
        sums, element = self._sums[place[0]], self._books.digests.element
        if before is not None:
            sums[0] -= 1
            sums[1] = (sums[1] - element(place, before)) % MODULUS
        if after is not None:
            sums[0] += 1
            sums[1] = (sums[1] + element(place, after)) % MODULUS

    def _open(self, place: bytes, ciphertext: bytes) -> bytes:
        return self._envelopes.open(Table(place[0]), place[1:], ciphertext)

    def _seal(self, place: bytes, plaintext: bytes) -> bytes:
        self._encryptions += 1
        return self._envelopes.seal(Table(place[0]), place[1:], plaintext, self._source)


def reader_of(raw: RawRows, keyring: Keyring) -> Rows:
    """Raw rows of any thread, read through a barrier of their own."""
    return Reader(raw, Envelopes(keyring), Memo(_MEMO))


def _table(live: RawRows, table: Table) -> Iterator[Row]:
    start, stop = bytes([table]), bytes([table + 1])
    while rows := live.scan(start, stop, ROWS):
        yield from rows
        start = after_key(rows[-1][0])


def _next(prefix: bytes) -> bytes:
    return prefix[:-1] + bytes([prefix[-1] + 1])
