"""One admitted case's way to the store and to the processes around it."""

from collections.abc import Callable
from typing import TypeVar

from custody.barrier.rows import View
from custody.base.secret import Secret
from custody.base.store import Transaction
from custody.core import outbox, reading
from custody.core.case import Case
from custody.core.confine import (
    NO_TOKEN,
    Desk,
    MountTransaction,
    SystemTransaction,
)
from custody.core.parts import Parts
from custody.plugin.request import Reply
from custody.plugin.route import Op

T = TypeVar("T")


class Act:
    """One case's way to the store: everything it commits is tied to its decision and its record."""

    __slots__ = ("_began_ns", "_case", "_desk", "committed", "parts")

    def __init__(self, case: Case, parts: Parts, desk: Desk) -> None:
        self._case = case
        self._desk = desk
        self.parts = parts
        self.committed = False
        self._began_ns = 0  # boot time at which the first change began to be made

    @property
    def overdue(self) -> bool:
        """Whether the record of what was committed is the steward's to write by now."""
        waited_ns = self.parts.clock.boot_ns() - self._began_ns
        return self.committed and waited_ns > outbox.RECORD_WITHIN_NS

    def snapshot(self) -> View:
        """What is committed now; close it before the next await."""
        return self.parts.barrier.snapshot()

    def read(self) -> Reply | None:
        """Run an action that reads, in one snapshot with its decision's rows."""
        with self.parts.barrier.snapshot() as rows:
            rows.verify(self._case.reads)
            return reading.read(self._case, rows, self._desk)

    async def transact(self) -> Reply | None:
        """Run an action that is one transaction."""
        case = self._case
        known = len(case.request.warnings)

        def job(txn: Transaction) -> Reply | None:
            del case.request.warnings[known:]  # a second run warns again
            place = (
                SystemTransaction(txn, self._desk, presented(case))
                if case.engine.system
                else MountTransaction(txn, case.mount.id)
            )
            return case.action.run(case.request, place)  # type: ignore[return-value] # kind WRITES

        return await self.commit(job)

    async def perform(self) -> Reply | None:
        """Run an action that composes transactions with the outside."""
        answer: Reply | None = await self._case.action.run(  # type: ignore[misc] # kind ACTS
            self._case.request, self
        )
        return answer

    async def commit(self, job: Callable[[Transaction], T], *, essential: bool = False) -> T:
        """Commit `job` if its decision still stands, with the row that remembers its record."""
        case = self._case
        commit = _commit(case)
        clock = self.parts.clock

        def remembered(txn: Transaction) -> tuple[T, int]:
            value = job(txn)
            if not txn.changed:
                return value, 0
            outbox.remember(txn, commit)
            return value, clock.boot_ns()

        value, began_ns = await self.parts.barrier.write(
            remembered,
            expect=case.reads,
            request_id=case.call.id,
            essential=essential or case.action.essential or case.call.op is Op.DELETE,
        )
        if began_ns and not self.committed:
            self.committed, self._began_ns = True, began_ns
        return value


def presented(case: Case) -> Secret[str]:
    """The token that the caller showed."""
    return case.call.token or NO_TOKEN


def _commit(case: Case) -> outbox.Commit:
    caller = case.request.caller
    return outbox.Commit(
        time_ns=case.request.now_ns,
        request_id=case.call.id,
        operation=case.operation,
        path=case.call.path,
        mount=case.mount.path,
        kind=case.mount.kind,
        accessor=caller.accessor if caller else "",
        display_name=caller.display_name if caller else "",
        remote_address=case.call.remote_address,
    )
