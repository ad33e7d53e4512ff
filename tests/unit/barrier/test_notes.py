"""Notes that jobs leave behind: the jobs of a commit share rows of them."""

from collections.abc import Callable

import pytest

from custody.barrier.keyring import new_keyring
from custody.barrier.keys import Keys
from custody.barrier.notes import Notes, RowIds
from custody.barrier.page import Slip
from custody.barrier.rows import Reader, raw_key
from custody.barrier.transaction import BarrierTransaction
from custody.base.codec import decode
from custody.base.ids import SystemSource
from custody.base.store import Table
from custody.storage.memory import MemoryStore
from custody.storage.overlay import Grouped

SOURCE = SystemSource()
HALF_A_PAGE = 2038  # bytes: longer rows have pages of their own in LMDB


class Commit:
    """A commit that several jobs share."""

    def __init__(self) -> None:
        self._keys = Keys(new_keyring(1, SOURCE), "root")
        with MemoryStore().snapshot() as below:
            self.rows = Grouped(below)

    def run(self, job: Callable[[BarrierTransaction], None]) -> Slip | None:
        """A job; its slip."""
        layer = self.rows.layer()
        transaction = BarrierTransaction(layer, self._keys, SOURCE)
        job(transaction)
        transaction.finish(1, "", 0)
        self.rows.take(layer)
        return transaction.slip

    def noted(self, *notes: bytes) -> list[Slip]:
        """Jobs that leave a note each."""
        slips = [self.run(lambda txn, note=note: txn.note(note)) for note in notes]  # type: ignore[misc]
        return [slip for slip in slips if slip is not None]

    def close(self) -> dict[bytes, list[bytes]]:
        """The rows of notes that the commit writes."""
        self.rows.commit.close(self.rows)
        reader = Reader(self.rows, self._keys.envelopes, self._keys.memo)
        return {
            key: decode(Notes, row).notes for key, row in reader.scan(Table.OUTBOX, b"")
        }  # fmt: skip


def test_the_jobs_of_a_commit_share_a_row_of_notes() -> None:
    commit = Commit()
    slips = commit.noted(b"a", b"b", b"c")
    assert len({slip.key for slip in slips}) == 1
    assert commit.close() == {slips[0].key: [b"a", b"b", b"c"]}


def test_a_row_may_go_once_the_last_of_its_notes_is_settled() -> None:
    slips = Commit().noted(b"a", b"b", b"c")
    assert [slip.settle() for slip in slips] == [False, False, True]


def test_a_job_without_a_note_has_no_slip() -> None:
    commit = Commit()
    assert commit.run(lambda txn: txn.put(Table.ENGINE, b"key", b"value")) is None
    assert commit.close() == {}


def test_a_job_that_fails_leaves_no_note_and_is_not_waited_for() -> None:
    commit = Commit()

    def fail(txn: BarrierTransaction) -> None:
        txn.note(b"of what never was")
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 its own
        commit.run(fail)
    [slip] = commit.noted(b"a")
    assert commit.close() == {slip.key: [b"a"]}
    assert slip.settle()


def test_no_row_of_notes_needs_pages_of_its_own() -> None:
    commit = Commit()
    notes = [bytes([number]) * 300 for number in range(20)]
    slips = commit.noted(*notes)
    rows = commit.close()
    assert sorted(note for row in rows.values() for note in row) == notes
    assert len(rows) < len(notes) / 4
    for key in rows:
        assert len(key) + len(commit.rows.get(raw_key(Table.OUTBOX, key)) or b"") < HALF_A_PAGE
    settled = [slip.settle() for slip in slips]
    assert settled.count(True) == len(rows)


def test_a_note_that_is_long_by_itself_has_a_row_for_itself() -> None:
    commit = Commit()
    slips = commit.noted(b"a", b"b" * 5000, b"c")
    assert len({slip.key for slip in slips}) == 3
    assert sorted(commit.close().values()) == [[b"a"], [b"b" * 5000], [b"c"]]


def test_rows_of_one_process_lie_side_by_side_and_apart_from_those_of_others() -> None:
    ours, theirs = RowIds(), RowIds()
    mine = [ours.next(SOURCE) for _ in range(300)]
    assert mine == sorted(mine)
    assert len({key[:8] for key in mine}) == 1
    assert len({len(key) for key in mine}) == 1
    other = theirs.next(SOURCE)
    assert not mine[0] < other < mine[-1]
