"""Every commit has exactly one audit record: the row that remembers it until a device has it.

The row is written in the same transaction as the change. It is removed once a device has accepted
the response's record; what a crash or a dead device leaves behind, the steward records later
(`custody.core.jobs.recording`). Which of the two records a commit is settled by time: the process
that made it only within RECORD_WITHIN_NS, the steward only after a row has lain for
RECOVER_AFTER_NS, and a device begins no batch later than its deadline of two seconds.
"""

from collections.abc import Callable, Iterable
from typing import Final

from custody.base.clock import NANOSECOND
from custody.base.codec import decode, encode
from custody.base.store import Rows, Table, Transaction
from custody.core.commit import Commit

RECORD_WITHIN_NS: Final = 5 * NANOSECOND  # boot time since the commit began
RECOVER_AFTER_NS: Final = 10 * NANOSECOND


def key_of(request_id: str) -> bytes:
    """The row's key: the 16 bytes of the request's id."""
    return bytes.fromhex(request_id.replace("-", ""))


def remember(txn: Transaction, commit: Commit) -> None:
    """Keep `commit` until `forget`."""
    txn.put(Table.OUTBOX, key_of(commit.request_id), encode(commit))


def forget(txn: Transaction, request_id: str) -> None:
    """The record is on a device."""
    txn.delete(Table.OUTBOX, key_of(request_id))


def forget_all(txn: Transaction, request_ids: Iterable[str]) -> None:
    """As `forget`, for many."""
    for request_id in request_ids:
        forget(txn, request_id)


class Recorded:
    """Gathers the ids of recorded commits, and forgets them with one job of the next commit.

    Losing some (a crash, a failed commit) does no harm: the steward finds their records.
    """

    __slots__ = ("_ids", "_write_later")

    def __init__(self, write_later: Callable[[Callable[[Transaction], None]], None]) -> None:
        self._write_later = write_later
        self._ids: list[str] = []

    def add(self, request_id: str) -> None:
        """A device holds the record of this commit."""
        self._ids.append(request_id)
        if len(self._ids) == 1:
            self._write_later(self._forget)

    def _forget(self, txn: Transaction) -> None:
        ids, self._ids = self._ids, []
        forget_all(txn, ids)


def keys(rows: Rows, after: bytes, limit: int) -> list[bytes]:
    """Up to `limit` keys of commits that no device is known to hold, above the key `after`."""
    return rows.keys(Table.OUTBOX, b"", after, limit)


def load(rows: Rows, key: bytes) -> Commit | None:
    """The commit under `key`, None once it is recorded. Raises Tampered, CorruptRecord."""
    data = rows.get(Table.OUTBOX, key)
    return None if data is None else decode(Commit, data)
