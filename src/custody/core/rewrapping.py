"""Encrypting anew what older keys encrypted: where that stands, and one batch of it.

Rows are read and put again inside one transaction, together with how far that is: cut off anywhere,
it goes on from there, and a change of a row in between is what is encrypted anew.
"""

from typing import Final

from msgspec.structs import replace

from custody.barrier.aging import TABLES, Aged, aged
from custody.barrier.rows import View
from custody.base.codec import decode, encode
from custody.base.record import Record
from custody.base.store import Rows, StaleDecision, Table, Transaction

_ROW: Final = b"rewrap"


class Rewrap(Record, frozen=True, kw_only=True):
    """How far it is: rows of terms below `term` are encrypted anew, table by table."""

    term: int
    started_ns: int
    total: int  # rows when it began
    finished_ns: int = 0
    table: int = int(TABLES[0])
    after: bytes = b""
    rows: int = 0
    rewritten: int = 0


def read(rows: Rows) -> Rewrap | None:
    """The last one, under way or finished."""
    data = rows.get(Table.SETTING, _ROW)
    return None if data is None else decode(Rewrap, data)


def start(txn: Transaction, term: int, total: int, now_ns: int) -> None:
    """Begin one, unless one for this term is under way."""
    found = read(txn)
    if found is None or found.finished_ns or found.term != term:
        begun = Rewrap(term=term, started_ns=now_ns, total=total)
        txn.put(Table.SETTING, _ROW, encode(begun))


def cancel(txn: Transaction) -> None:
    """Go no further. What was encrypted anew stays so."""
    txn.delete(Table.SETTING, _ROW)


def look(view: View, found: Rewrap, limit: int) -> Aged:
    """The next batch."""
    return aged(view.raw, Table(found.table), found.after, found.term, limit)


def step(txn: Transaction, found: Rewrap, batch: Aged, now_ns: int) -> Rewrap:
    """Encrypt the batch anew; how far it is then. Raises StaleDecision if another was here."""
    if read(txn) != found:
        raise StaleDecision("the rewrap was begun anew or cancelled meanwhile")
    table = Table(found.table)
    for key in batch.keys:
        value = txn.get(table, key)
        if value is not None:
            txn.put(table, key, value)
    further = _further(found, batch, now_ns)
    txn.put(Table.SETTING, _ROW, encode(further))
    return further


def _further(found: Rewrap, batch: Aged, now_ns: int) -> Rewrap:
    counted = replace(
        found, rows=found.rows + batch.read, rewritten=found.rewritten + len(batch.keys)
    )
    if batch.last is not None:
        return replace(counted, after=batch.last)
    later = [table for table in TABLES if table > found.table]
    if later:
        return replace(counted, table=int(later[0]), after=b"")
    return replace(counted, finished_ns=max(now_ns, found.started_ns + 1))
