"""Every commit has exactly one audit record: the row that remembers it until a device has it.

The row is written in the same transaction as the change. It is removed once a device has accepted
the response's record; what a crash or a dead device leaves behind, the steward records later.
"""

import uuid
from typing import Final

from custody.base.codec import Record, decode, encode
from custody.base.store import Rows, Table, Transaction

PAGE: Final = 100


class Commit(Record, frozen=True, kw_only=True):
    """What is known of a commit without its values."""

    time_ns: int
    request_id: str
    operation: str
    path: str
    mount: str
    kind: str
    accessor: str = ""
    display_name: str = ""
    remote_address: str = ""


def key_of(request_id: str) -> bytes:
    """The row's key: the 16 bytes of the request's id."""
    return uuid.UUID(request_id).bytes


def remember(txn: Transaction, commit: Commit) -> None:
    """Keep `commit` until `forget`."""
    txn.put(Table.OUTBOX, key_of(commit.request_id), encode(commit))


def forget(txn: Transaction, request_id: str) -> None:
    """The record is on a device."""
    txn.delete(Table.OUTBOX, key_of(request_id))


def pending(rows: Rows, before_ns: int) -> list[Commit]:
    """Up to a page of commits older than `before_ns` that no device is known to hold."""
    found = (decode(Commit, value) for _, value in rows.scan(Table.OUTBOX, b"", limit=PAGE))
    return [commit for commit in found if commit.time_ns < before_ns]
