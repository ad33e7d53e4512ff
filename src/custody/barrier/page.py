"""What one commit enters in the books: an entry of the log for each job, all else once.

Each job's entry follows from the one before it. The log's head and the tables' sums, which every
job moves, the count of encryptions and the row of the jobs' notes are written when the commit
closes, however many jobs it has.
"""

from hashlib import sha256
from typing import Final

from custody.barrier import log as change_log
from custody.barrier.digest import Change, Sum
from custody.barrier.entry import Operation, Point
from custody.barrier.keys import Keys
from custody.barrier.notes import Notes
from custody.barrier.rows import raw_key
from custody.base.codec import encode
from custody.base.ids import Source
from custody.base.store import RawTransaction, Table
from custody.storage.overlay import Overlay

_KEY_SIZE: Final = 16  # bytes, of a row of notes


class Slip:
    """Stands for the notes of one commit; once the last of them is settled their row may go.

    It is in memory only: after a crash the rows are there, and nobody holds their slips.
    """

    __slots__ = ("key", "open")

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.open = 0  # how many notes are not settled

    def settle(self) -> bool:
        """One of the notes needs no keeping any more; says whether none does."""
        self.open -= 1
        return self.open == 0


class Page:
    """The open page of one commit. A job that fails leaves no trace in it."""

    __slots__ = ("_encryptions", "_head", "_keys", "_notes", "_slip", "_source", "_sums")

    def __init__(self, keys: Keys, source: Source) -> None:
        self._keys = keys
        self._source = source
        self._encryptions = 0
        self._head: Point | None = None
        self._sums: dict[int, Sum] = {}
        self._notes: list[bytes] = []
        self._slip: Slip | None = None

    @classmethod
    def of(cls, raw: Overlay, keys: Keys, source: Source) -> "Page":
        """The page of the commit that `raw` belongs to."""
        page: Page | None = raw.commit.shared.get(keys)
        if page is None:
            page = raw.commit.shared[keys] = cls(keys, source)
            raw.commit.closing.append(page.close)
        return page

    def enter(
        self, raw: Overlay, changes: list[Change], now_ns: int, request_id: str, flags: int
    ) -> None:
        """Log and sum a job's changes. Raises Tampered."""
        books = self._keys.books
        last = self._head or books.log.head(raw)
        row, head = books.log.following(last, _operations(changes), now_ns, request_id, flags)
        sums = books.digests.added(raw, self._sums, changes, head.position)
        raw.put(change_log.entry_key(head.position), row)
        self._head = head
        self._sums.update(sums)

    def count(self, encryptions: int) -> None:
        """Account for what a job encrypted."""
        self._encryptions += encryptions

    def note(self, note: bytes) -> Slip:
        """Keep a job's note; the slip of the commit's notes."""
        if self._slip is None:
            self._slip = Slip(self._source.random(_KEY_SIZE))
        self._slip.open += 1
        self._notes.append(note)
        return self._slip

    def close(self, raw: RawTransaction) -> None:
        """Write the ends of what was entered. Raises Tampered."""
        books = self._keys.books
        if self._slip is not None:
            key, notes = self._slip.key, encode(Notes(notes=self._notes))
            sealed = self._keys.envelopes.seal(Table.OUTBOX, key, notes, self._source)
            raw.put(raw_key(Table.OUTBOX, key), sealed)
            self._encryptions += 1
        if self._encryptions:
            books.counter.take(raw, self._encryptions)
        if self._head is None:
            return
        books.log.set_head(raw, self._head)
        for table, new in self._sums.items():
            books.digests.write(raw, table, new)


def _operations(changes: list[Change]) -> list[Operation]:
    return [
        (change_log.DELETE, place, b"")
        if after is None
        else (change_log.PUT, place, sha256(after).digest())
        for place, _, after in changes
    ]
