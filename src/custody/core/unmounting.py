"""What disabled mounts have left, and how far its deletion is.

A disabled mount's row is gone and a row of this kind is in its place, under the mount's id: the
steward deletes the data from it in batches, and counts them in the transaction that deletes. Once
nothing is left the row says so for a week, for whoever asks what became of the mount.
"""

from typing import Final

import msgspec

from custody.base.clock import NANOSECOND
from custody.base.codec import decode, encode
from custody.base.record import Record
from custody.base.store import Rows, Table, Transaction, bounded
from custody.core.mounts import MountEntry

KEPT_NS: Final = 7 * 24 * 3600 * NANOSECOND
_LEFT: Final = b"unmounted|"  # what has data still, by mount id
_DONE: Final = b"unmounted-done|"  # what has none, by time (8 bytes) and mount id
_TIME: Final = 8


class Unmounting(Record, frozen=True, kw_only=True):
    """One disabled mount. `finished_ns` 0: some of its data are still there."""

    id: bytes
    path: str
    kind: str
    accessor: str
    uuid: str
    started_ns: int
    finished_ns: int = 0
    deleted: int = 0  # rows so far


def begin(txn: Transaction, entry: MountEntry, now_ns: int) -> None:
    """Refuse the mount from now on and leave its data to the steward."""
    txn.delete(Table.MOUNT, entry.path.encode())
    left = Unmounting(
        id=entry.id,
        path=entry.path,
        kind=entry.kind,
        accessor=entry.accessor,
        uuid=entry.uuid,
        started_ns=now_ns,
    )
    txn.put(Table.SETTING, _LEFT + entry.id, encode(left))


def next_left(rows: Rows) -> Unmounting | None:
    """A disabled mount whose data are still there, or None."""
    found = rows.scan(Table.SETTING, _LEFT, limit=1)
    return _decode(found[0][1]) if found else None


def clear_step(txn: Transaction, mount_id: bytes, limit: int, now_ns: int) -> tuple[int, bool]:
    """Delete up to `limit` rows of a disabled mount, fewer where they are large.

    Answers how many went, and whether they were the last.
    """
    data = txn.get(Table.SETTING, _LEFT + mount_id)
    if data is None:
        return 0, True  # another run has finished it
    keys = txn.keys(Table.ENGINE, mount_id, limit=limit)
    gone = sum(txn.delete(Table.ENGINE, key) for key in bounded(txn, keys))
    left = _decode(data)
    left = msgspec.structs.replace(left, deleted=left.deleted + gone)
    if gone == limit or gone < len(keys):
        txn.put(Table.SETTING, _LEFT + mount_id, encode(left))
        return gone, False
    txn.delete(Table.SETTING, _LEFT + mount_id)
    place = _DONE + now_ns.to_bytes(_TIME, "big") + mount_id
    txn.put(Table.SETTING, place, encode(msgspec.structs.replace(left, finished_ns=now_ns)))
    return gone, True


def forget(txn: Transaction, now_ns: int, limit: int) -> int:
    """Forget up to `limit` mounts that were cleared more than a week ago; how many."""
    end = max(0, now_ns - KEPT_NS).to_bytes(_TIME, "big")
    keys = txn.keys(Table.SETTING, _DONE, limit=limit)
    old = [key for key in keys if key[len(_DONE) : len(_DONE) + _TIME] < end]
    for key in old:
        txn.delete(Table.SETTING, key)
    return len(old)


def stale(rows: Rows, now_ns: int) -> bool:
    """Whether there is something to forget."""
    keys = rows.keys(Table.SETTING, _DONE, limit=1)
    end = max(0, now_ns - KEPT_NS).to_bytes(_TIME, "big")
    return bool(keys) and keys[0][len(_DONE) : len(_DONE) + _TIME] < end


def known(rows: Rows, limit: int) -> list[Unmounting]:
    """Those with data left, then those cleared in the last week, up to `limit` of each."""
    return [
        _decode(value)
        for prefix in (_LEFT, _DONE)
        for _, value in rows.scan(Table.SETTING, prefix, limit=limit)
    ]


def _decode(data: bytes) -> Unmounting:
    return decode(Unmounting, data)
