"""One admitted case's way to the store and to the processes around it."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from msgspec.structs import replace

from custody.barrier.page import Slip  # noqa: TC001 compiled: the class is there at run time
from custody.barrier.rows import View, raw_key
from custody.barrier.transaction import BarrierTransaction
from custody.base.secret import Secret
from custody.base.store import StaleDecision, Table, Transaction
from custody.core import outbox, reading, wrap
from custody.core.case import Case, Reads
from custody.core.commit import Commit
from custody.core.confine import MountTransaction, SystemTransaction
from custody.core.desk import NO_TOKEN, Desk
from custody.core.parts import Parts
from custody.plugin.request import Reply
from custody.plugin.route import Op
from custody.token import service as tokens
from custody.token.entry import TokenEntry

T = TypeVar("T")


class Act:
    """One case's way to the store: everything it commits is tied to its decision and its record.

    A use of a limited token is counted in the transaction that it pays for, so that of any number
    of requests at once exactly as many go through as it has uses. An action that composes
    transactions pays before the first: if another request takes the last use and is done before
    it, it is refused, and its use is lost.
    """

    __slots__ = ("_began_ns", "_case", "_desk", "_expect", "_noted", "parts", "slips",
                 "used")  # fmt: skip

    def __init__(self, case: Case, parts: Parts, desk: Desk) -> None:
        self._case = case
        self._desk = desk
        self.parts = parts
        self.slips: list[Slip] = []  # of what was committed
        self.used: TokenEntry | None = None  # the limited token after the use that this took
        self._began_ns = 0  # boot time at which the first change began to be made
        self._expect = _expected(case)
        self._noted = b""

    @property
    def committed(self) -> bool:
        """Whether this changed anything so far."""
        return bool(self.slips)

    @property
    def overdue(self) -> bool:
        """Whether the record of what was committed is the steward's to write by now."""
        waited_ns = self.parts.clock.boot_ns() - self._began_ns
        return self.committed and waited_ns > outbox.RECORD_WITHIN_NS

    @property
    def token(self) -> TokenEntry | None:
        """The caller's token as it was decided on, before this took a use of it; None: no token."""
        return self._case.token

    def snapshot(self) -> View:
        """What is committed now; close it before the next await."""
        return self.parts.barrier.snapshot()

    async def read(self) -> Reply | None:
        """Run an action that reads in the transaction that takes a limited token's use, or wraps
        the answer."""
        request = self._case.request

        def run(txn: BarrierTransaction) -> Reply | None:
            request.warnings.clear()  # a second run warns again
            request.ignored.clear()
            return reading.read(self._case, txn, self._desk)

        if self._case.call.wrap_ttl:
            return await self.commit(lambda txn: self._wrapped(txn, run(txn)))

        def job(txn: BarrierTransaction) -> tuple[Reply | None, TokenEntry | None]:
            used = self._pay(txn)
            return run(txn), used

        reply, self.used = await self.parts.barrier.write(
            job, expect=self._expect, request_id=self._case.call.id, essential=True
        )
        return reply

    async def spend(self) -> None:
        """Take the use on its own, where no transaction took it. Raises PermissionDenied."""
        if self._case.limited and self.used is None:
            self.used = await self.parts.barrier.write(
                self._pay, expect=self._expect, essential=True
            )

    def transact(self) -> Awaitable[Reply | None]:
        """Run an action that is one transaction."""
        case = self._case
        known = len(case.request.warnings)

        def job(txn: BarrierTransaction) -> Reply | None:
            del case.request.warnings[known:]  # a second run warns again
            place = (
                SystemTransaction(txn, self._desk, presented(case))
                if case.engine.system
                else MountTransaction(txn, case.mount.id)
            )
            reply: Reply | None = case.action.run(case.request, place)  # type: ignore[assignment] # WRITES
            return self._wrapped(txn, reply)

        return self.commit(job)

    async def perform(self) -> Reply | None:
        """Run an action that composes transactions with the outside."""
        await self.spend()
        answer: Reply | None = await self._case.action.run(  # type: ignore[misc] # kind ACTS
            self._case.request, self
        )
        if self._case.call.wrap_ttl:
            return await self._deliver(answer)
        return answer

    async def _deliver(self, reply: Reply | None) -> Reply | None:
        """Wrap the answer of an action that is done: no decision that changed undoes it."""

        def job(txn: BarrierTransaction) -> tuple[Reply | None, BarrierTransaction]:
            answer = self._wrapped(txn, reply)
            self._remember(txn)
            return answer, txn

        answer, txn = await self.parts.barrier.write(job, request_id=self._case.call.id)
        self._keep_slip(txn)
        return answer

    def _wrapped(self, txn: Transaction, reply: Reply | None) -> Reply | None:
        """The answer as it leaves: put away in this transaction where that was asked for."""
        case = self._case
        if not case.call.wrap_ttl or case.match.route.raw:
            return reply
        return wrap.wrapped(txn, self._desk, case.call, case.request, reply)

    async def commit(self, job: Callable[[BarrierTransaction], T], *, essential: bool = False) -> T:
        """Commit `job` if its decision still stands, with the note that remembers its record."""
        case = self._case
        self._note()  # made here: while the job runs, others wait for the store

        def remembered(
            txn: BarrierTransaction,
        ) -> tuple[T, TokenEntry | None, BarrierTransaction]:
            used = self._pay(txn)
            value = job(txn)
            self._remember(txn)
            return value, used, txn

        value, self.used, txn = await self.parts.barrier.write(
            remembered,
            expect=self._expect,
            request_id=case.call.id,
            essential=essential or case.action.essential or case.call.op is Op.DELETE,
        )
        self._keep_slip(txn)
        return value

    def _remember(self, txn: BarrierTransaction) -> None:
        """Leave what tells of this commit in it, if it is one."""
        if txn.changed:
            txn.note(self._note())
            if not self._began_ns:
                self._began_ns = self.parts.clock.boot_ns()

    def _note(self) -> bytes:
        if not self._noted:
            self._noted = outbox.note(_commit(self._case))
        return self._noted

    def _keep_slip(self, txn: BarrierTransaction) -> None:
        """`txn` is committed: keep what its note is taken away by."""
        if txn.slip is not None:
            self.slips.append(txn.slip)

    def _pay(self, txn: Transaction) -> TokenEntry | None:
        """Count this request's one use; once it is counted, the token must still be there."""
        request = self._case.request
        caller = request.caller
        if caller is None or not self._case.limited:
            return None
        if self.used is None:
            used = tokens.use(txn, caller.id, request.now_ns)
            request.caller = replace(caller, num_uses=used.num_uses)
            return used
        if tokens.find(txn, caller.id, request.now_ns) is None:
            raise StaleDecision("the token was revoked")
        return self.used


def _expected(case: Case) -> Reads:
    """The read-set; without a limited token's row, which others change by using it: `_pay` looks
    at that anew."""
    caller = case.request.caller
    if caller is None or not case.limited:
        return case.reads
    own = raw_key(Table.TOKEN, caller.id)
    return {place: row for place, row in case.reads.items() if place != own}


def presented(case: Case) -> Secret[str]:
    """The token that the caller showed."""
    return case.call.token or NO_TOKEN


def _commit(case: Case) -> Commit:
    caller = case.request.caller
    return Commit(
        schema=Commit.SCHEMA,  # spares `encode` a copy
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
