"""Moves of mounts and what became of them: the newest hundred, in one row.

A move is one change of the mount table, so there is none that is under way or half done; the row
is for the clients that ask by the id they were given.
"""

from typing import Final

import msgspec

from custody.base.codec import decode, encode
from custody.base.record import Record
from custody.base.store import Rows, Table, Transaction

MAX_KEPT: Final = 100
_ROW: Final = b"migrations"


class Migration(msgspec.Struct, frozen=True):
    """One move that was made. Paths end in a slash."""

    id: str
    source: str
    target: str


class _Migrations(Record, frozen=True, kw_only=True):
    kept: tuple[Migration, ...] = ()


def remember(txn: Transaction, migration: Migration) -> None:
    """Keep it, and forget the oldest if there are too many."""
    kept = (*_read(txn), migration)[-MAX_KEPT:]
    txn.put(Table.SETTING, _ROW, encode(_Migrations(kept=kept)))


def find(rows: Rows, identifier: str) -> Migration | None:
    """The move with that id, or None."""
    return next((one for one in _read(rows) if one.id == identifier), None)


def _read(rows: Rows) -> tuple[Migration, ...]:
    data = rows.get(Table.SETTING, _ROW)
    return () if data is None else decode(_Migrations, data).kept
