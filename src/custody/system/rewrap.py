"""`sys/rotate/rewrap`: encrypts anew what older encryption keys encrypted, beside requests."""

from typing import Any, Final, TypedDict

from custody.base.clock import rfc3339
from custody.base.store import Table, Transaction
from custody.core import rewrapping
from custody.core.act import Act
from custody.core.confine import SystemRows, SystemTransaction
from custody.core.rewrapping import Rewrap
from custody.plugin.request import Reply, Request
from custody.plugin.route import Access, Op, Route, acts, reads, writes


class Idle(TypedDict):
    """It was never begun."""

    state: str


class Progress(Idle):
    """How far it is."""

    term: int
    table: str
    rows: int
    total: int
    rewritten: int
    started_time: str
    finished_time: str


def look(_request: Request, rows: SystemRows) -> Reply:
    """How far it is."""
    return Reply(data=_shown(rewrapping.read(rows.rows)))


async def start(request: Request, act: Act) -> Reply:
    """Begin, if it is not under way; the answer does not wait for the end."""
    barrier = act.parts.barrier
    term = barrier.keyring.term
    with act.snapshot() as view:
        total = barrier.rows(view)

    def job(txn: Transaction) -> Rewrap | None:
        rewrapping.start(txn, term, total, request.now_ns)
        return rewrapping.read(txn)

    return Reply(data=_shown(await act.commit(job, essential=True)))


def cancel(_request: Request, txn: SystemTransaction) -> None:
    """Go no further; what was encrypted anew stays so."""
    rewrapping.cancel(txn.txn)


def _shown(found: Rewrap | None) -> dict[str, Any]:
    if found is None:
        return {"state": "none"}
    return {
        "state": "finished" if found.finished_ns else "running",
        "term": found.term,
        "table": "" if found.finished_ns else Table(found.table).name,
        "rows": found.rows,
        "total": max(found.total, found.rows),
        "rewritten": found.rewritten,
        "started_time": rfc3339(found.started_ns),
        "finished_time": rfc3339(found.finished_ns) if found.finished_ns else "",
    }


ROUTES: Final = (
    Route(
        "rotate/rewrap",
        {
            Op.READ: reads(look, shows=Progress | Idle),
            Op.WRITE: acts(start, shows=Progress),
            Op.DELETE: writes(cancel),
        },
        access=Access.SUDO,
        help="Encrypt anew what older encryption keys encrypted; how far that is; cancel it.",
    ),
)
