"""Mounts on their way to a newer version of their engine: no request is answered meanwhile.

A row by the mount's id remembers the work until its last step, which puts the engine in place in
the same transaction. The steps are the engine's own (`plugin.route.Engine.adopt`).
"""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from custody.base.store import MAX_BATCH_BYTES, Rows, Table, Transaction
from custody.core import mounts
from custody.core.confine import MountTransaction
from custody.core.mounts import MountEntry
from custody.plugin.route import Engine

TEXT: Final = (
    "Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief "
    "period and will resume service shortly."
)
AT_ONCE: Final = 500  # rows
_OWN: Final = 2  # rows of a step beside the engine's: the mount's and the mark
_PIECE: Final = 16  # rows of one call of the engine: with the largest of values some megabytes
_MARK: Final = b"upgrading|"


def begin(txn: Transaction, catalog: Mapping[str, Engine], entry: MountEntry, now_ns: int) -> bool:
    """Take over a mount that is stored as UPGRADING; says whether that is done.

    A small one is at once. For another the work is remembered.
    """
    txn.put(Table.SETTING, _MARK + entry.id, b"")
    return bool(step(txn, catalog, entry.id, now_ns, AT_ONCE))


def waiting(rows: Rows) -> bytes | None:
    """The id of a mount that is to be taken over, or None."""
    keys = rows.keys(Table.SETTING, _MARK, limit=1)
    return keys[0][len(_MARK) :] if keys else None


def step(
    txn: Transaction, catalog: Mapping[str, Engine], mount_id: bytes, now_ns: int, keys: int
) -> str:
    """Do at most `keys` rows of the work, fewer where they are large.

    Answers the mount's path when that is ready, else an empty text.
    """
    entry = next((one for one in mounts.entries(txn) if one.id == mount_id), None)
    if entry is None or entry.engine != mounts.UPGRADING:
        txn.delete(Table.SETTING, _MARK + mount_id)
        return ""
    adopt = catalog[entry.kind].adopt
    storage = MountTransaction(txn, mount_id)
    left = keys - _OWN
    while adopt is not None and adopt(storage, now_ns, min(_PIECE, left)):
        left -= _PIECE
        if left <= 0 or txn.held >= MAX_BATCH_BYTES:
            return ""
    mounts.store(txn, replace(entry, engine=""))
    txn.delete(Table.SETTING, _MARK + mount_id)
    return entry.path
