"""What one commit enters in the books: an entry of the log for each job, ends and sums once.

Each job's entry follows from the one before it. The log's head and the tables' sums, which every
job moves, are written when the commit closes: one authenticated row each, however many jobs.
"""

from hashlib import sha256

from custody.barrier import log as change_log
from custody.barrier.digest import Change, Sum
from custody.barrier.entry import Operation, Point
from custody.barrier.keys import Books
from custody.base.store import RawTransaction


class Page:
    """The open page of one commit. A job that fails leaves no trace in it."""

    __slots__ = ("_books", "_head", "_sums")

    def __init__(self, books: Books) -> None:
        self._books = books
        self._head: Point | None = None
        self._sums: dict[int, Sum] = {}

    @classmethod
    def of(cls, raw: RawTransaction, books: Books) -> "Page":
        """The page of the commit that `raw` belongs to."""
        page: Page | None = raw.commit.shared.get(books)
        if page is None:
            page = raw.commit.shared[books] = cls(books)
            raw.commit.closing.append(page.close)
        return page

    def enter(
        self, raw: RawTransaction, changes: list[Change], now_ns: int, request_id: str, flags: int
    ) -> None:
        """Log and sum a job's changes, the last thing that the job does. Raises Tampered."""
        books = self._books
        last = self._head or books.log.head(raw)
        row, head = books.log.following(last, _operations(changes), now_ns, request_id, flags)
        sums = books.digests.added(raw, self._sums, changes, head.position)
        raw.put(change_log.entry_key(head.position), row)
        self._head = head
        self._sums.update(sums)

    def close(self, raw: RawTransaction) -> None:
        """Write the ends of what was entered."""
        if self._head is None:
            return
        self._books.log.set_head(raw, self._head)
        for table, new in self._sums.items():
            self._books.digests.write(raw, table, new)


def _operations(changes: list[Change]) -> list[Operation]:
    return [
        (change_log.DELETE, place, b"")
        if after is None
        else (change_log.PUT, place, sha256(after).digest())
        for place, _, after in changes
    ]
