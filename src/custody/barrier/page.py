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

# Of notes in a row. LMDB keeps a row of more than half a page on pages of its own, side by side:
# these are rarely free, so the file grew, and a sync then costs milliseconds.
_ROW_BYTES: Final = 1800


class Slip:
    """Stands for the notes in one row; once the last of them is settled the row may go.

    It is in memory only: after a crash the rows are there, and nobody holds their slips.
    """

    __slots__ = ("key", "notes", "open", "size")

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.notes: list[bytes] = []  # until they are written
        self.size = 0  # bytes of the notes
        self.open = 0  # how many notes are not settled

    def add(self, note: bytes) -> None:
        """One more note."""
        self.notes.append(note)
        self.size += len(note)
        self.open += 1

    def settle(self) -> bool:
        """One of the notes needs no keeping any more; says whether none does."""
        self.open -= 1
        return self.open == 0


class Page:
    """The open page of one commit. A job that fails leaves no trace in it."""

    __slots__ = ("_encryptions", "_head", "_keys", "_slips", "_source", "_sums")

    def __init__(self, keys: Keys, source: Source) -> None:
        self._keys = keys
        self._source = source
        self._encryptions = 0
        self._head: Point | None = None
        self._sums: dict[int, Sum] = {}
        self._slips: list[Slip] = []

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
        books.digests.find(raw, self._sums, changes)
        row, head = books.log.following(last, _operations(changes), now_ns, request_id, flags)
        raw.put(change_log.entry_key(head.position), row)
        # From here on nothing fails: a job that does would leave its part in the sums.
        books.digests.add(self._sums, changes, head.position)
        self._head = head

    def count(self, encryptions: int) -> None:
        """Account for what a job encrypted."""
        self._encryptions += encryptions

    def note(self, note: bytes) -> Slip:
        """Keep a job's note; the slip of the row that it is in."""
        slips = self._slips
        if not slips or slips[-1].size + len(note) > _ROW_BYTES:
            slips.append(Slip(self._keys.note_ids.next(self._source)))
        slips[-1].add(note)
        return slips[-1]

    def close(self, raw: RawTransaction) -> None:
        """Write the ends of what was entered. Raises Tampered."""
        books = self._keys.books
        for slip in self._slips:
            notes = encode(Notes(notes=slip.notes))
            sealed = self._keys.envelopes.seal(Table.OUTBOX, slip.key, notes, self._source)
            raw.put(raw_key(Table.OUTBOX, slip.key), sealed)
            slip.notes = []
        self._encryptions += len(self._slips)
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
