"""Every commit has exactly one audit record: the note that remembers it until a device has it.

The note is written in the same transaction as the change; jobs that share a transaction share rows
of notes. A row is removed once a device has accepted the records of all responses in it; what a
crash or a dead device leaves behind, the steward records later (`custody.core.jobs.recording`).
Which of the two records a commit is settled by time: the process that made it only within
RECORD_WITHIN_NS, the steward only after a row has lain for RECOVER_AFTER_NS, and a device begins no
batch later than its deadline of two seconds.
"""

from collections.abc import Callable, Iterable
from typing import Final

from custody.barrier.notes import Notes
from custody.barrier.page import Slip
from custody.base.clock import NANOSECOND
from custody.base.codec import CorruptRecord, decode, encode
from custody.base.store import Rows, Table, Transaction
from custody.core.commit import Commit

RECORD_WITHIN_NS: Final = 5 * NANOSECOND  # boot time since the commit began
RECOVER_AFTER_NS: Final = 10 * NANOSECOND


def note(commit: Commit) -> bytes:
    """The note of `commit`: what its transaction leaves until a device has the record."""
    return encode(commit)


def forget_all(txn: Transaction, keys: Iterable[bytes]) -> None:
    """The records of all that lies under `keys` are on a device."""
    for key in keys:
        txn.delete(Table.OUTBOX, key)


class Recorded:
    """Gathers the rows whose commits are all recorded, and removes them with the next commit.

    Losing some (a crash, a failed commit) does no harm: the steward finds their records.
    """

    __slots__ = ("_keys", "_write_later")

    def __init__(self, write_later: Callable[[Callable[[Transaction], None]], None]) -> None:
        self._write_later = write_later
        self._keys: list[bytes] = []

    def add(self, slips: Iterable[Slip]) -> None:
        """A device holds the record of the commits that these slips are of."""
        for slip in slips:
            if slip.settle():
                self._keys.append(slip.key)
                if len(self._keys) == 1:
                    self._write_later(self._forget)

    def _forget(self, txn: Transaction) -> None:
        keys, self._keys = self._keys, []
        forget_all(txn, keys)


def keys(rows: Rows, after: bytes, limit: int) -> list[bytes]:
    """Up to `limit` keys of rows that no device is known to hold whole, above the key `after`."""
    return rows.keys(Table.OUTBOX, b"", after, limit)


def load(rows: Rows, key: bytes) -> list[Commit]:
    """The commits under `key`; none once they are recorded. Raises Tampered, CorruptRecord."""
    data = rows.get(Table.OUTBOX, key)
    if data is None:
        return []
    try:
        notes = decode(Notes, data).notes
    except CorruptRecord:
        return [decode(Commit, data)]  # as it was kept before a row held several
    return [decode(Commit, note) for note in notes]
