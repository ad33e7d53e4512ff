"""The ordered steps of a request, on one screen: admit, act, record, answer."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, Final

from msgspec.structs import asdict

from custody.audit.entry import ResponseEntry
from custody.audit.record import Caller, Wrapped
from custody.barrier.envelope import UnknownTerm
from custody.base.errors import (
    AuditFailed,
    CustodyError,
    PermissionDenied,
    Unavailable,
)
from custody.base.store import StaleDecision, Transaction
from custody.core import outbox
from custody.core.act import Act
from custody.core.call import Answer, Call
from custody.core.case import Case, Outcome
from custody.core.damage import ANSWERED, named
from custody.core.desk import Desk
from custody.core.front import Front
from custody.core.gate import Draft, Gate
from custody.core.parts import Parts
from custody.core.reading import bind
from custody.plugin.context import Auth
from custody.plugin.request import Reply, Request
from custody.plugin.route import Kind, Route
from custody.token import service as tokens

ATTEMPTS: Final = 16
NO_CONTENT: Final = 204
OK: Final = 200


class Pipeline:
    """Answers calls on an unsealed node."""

    def __init__(self, gate: Gate, parts: Parts, desk: Desk) -> None:
        self._gate = gate
        self._parts = parts
        self._desk = desk
        self._barrier = parts.barrier
        self._recorded = outbox.Recorded(parts.barrier.write_later)
        self._broker = parts.broker
        self._clock = parts.clock

    async def handle(self, call: Call) -> Answer:
        """The answer to `call`. Raises CustodyError; every outcome is on an audit device first."""
        while self._broker.crowded:  # noqa: ASYNC110 until the turn is over, not for an event
            await asyncio.sleep(0)
        for _ in range(ATTEMPTS):
            try:
                return await self._answer(call)
            except StaleDecision:
                continue  # what the decision was read from has changed: decide again
            except UnknownTerm as error:
                unknown = error
            await self._renew(call, unknown)
        refused = Unavailable("the policies that govern this request keep changing; try again")
        await self._gate.record_refusal(call, refused)
        raise refused

    async def refuse(self, call: Call, error: CustodyError) -> None:
        """Record that `call` is refused with `error` before it was whole. Raises AuditFailed."""
        self._gate.use_audit()
        await self._gate.record_refusal(call, error)

    async def _renew(self, call: Call, unknown: UnknownTerm) -> None:
        """Take the newest keyring; returns if that has the term.

        Raises Damaged if it has not, Sealed, Unavailable.
        """
        refused: CustodyError | None = None
        try:
            await self._parts.custodian.install(Front(self._parts).meta())
            if unknown.term > self._barrier.keyring.term:
                refused = named(unknown, self._parts.metrics)
        except CustodyError as error:
            refused = error
        if refused is not None:
            await self._gate.record_refusal(call, refused)
            raise refused from unknown

    async def _answer(self, call: Call) -> Answer:
        draft = self._gate.draft()
        admitted = self._admit(call, draft)
        if isinstance(admitted, Exception):
            error = await self._gate.denied(call, draft, admitted)
            if error is admitted:
                raise error
            raise error from admitted
        case, come = admitted
        text = b""
        if isinstance(come, Outcome):
            outcome = come
            entry = self._response(case, outcome)
            await self._broker.record(case.entry, entry)
            text = entry.made
        else:
            await come
            outcome = await self._act(case)
        if outcome.error is not None:
            raise outcome.error
        return answer_of(case.request, case.match.route, outcome.reply, text)

    def _admit(
        self, call: Call, draft: Draft
    ) -> tuple[Case, Outcome | Awaitable[None]] | Exception:
        try:
            return self._gate.admit(call, draft)
        except ANSWERED as found:
            return found

    async def _act(self, case: Case) -> Outcome:
        act = Act(case, self._parts, self._desk)
        outcome = await self._run(case, act)
        await self._record(case, act, outcome)
        caller = case.request.caller
        if caller is not None and act.used is not None:
            await self._gate.finish_use(caller.id, act.used)
        return outcome

    async def _run(self, case: Case, act: Act) -> Outcome:
        kind = case.action.kind
        try:
            if kind is Kind.READS:
                return Outcome(await act.read())
            bind(case)
            return Outcome(await (act.transact() if kind is Kind.WRITES else act.perform()))
        except ANSWERED as found:
            failed = found
        try:
            await act.spend()  # a request that fails uses up one use, too
        except PermissionDenied as denied:
            return Outcome(error=self._gate.explain(case.call, denied))
        return Outcome(error=named(failed, self._parts.metrics))

    async def _record(self, case: Case, act: Act, outcome: Outcome) -> None:
        event_id = case.call.id if act.committed else ""
        try:
            _check_time(act)
            await self._broker.record(self._response(case, outcome, event_id))
        except AuditFailed:
            if not act.committed:
                raise
        else:
            if act.committed:
                self._recorded.add(act.slips)
            return
        await self._undeliver(outcome.reply)
        raise AuditFailed("committed but not recorded")

    def _response(self, case: Case, outcome: Outcome, event_id: str = "") -> ResponseEntry:
        now_ns = max(self._clock.now_ns(), case.request.now_ns)
        return _response_entry(case, outcome, now_ns, event_id)

    async def _undeliver(self, reply: Reply | None) -> None:
        """Revoke what only the answer could have delivered."""
        created = reply.created if reply is not None else ()
        if not created:
            return
        now_ns = self._clock.now_ns()

        def revoke(txn: Transaction) -> None:
            for token_hash in created:
                tokens.revoke(txn, token_hash, now_ns)

        await self._barrier.write(revoke, essential=True)


def _check_time(act: Act) -> None:
    if act.overdue:
        raise AuditFailed("the record of this commit is the steward's to write by now")


def answer_of(request: Request, route: Route, reply: Reply | None, text: bytes = b"") -> Answer:
    """What a handler's reply means on the wire: nothing to say is 204. `text`: see `Answer`."""
    if reply is None:
        if not request.warnings:
            return Answer(request.id, NO_CONTENT)
        reply = Reply()
    if reply.wrap is not None:
        return Answer("", OK, reply)
    warnings = (*request.ignored, *request.warnings) if request.ignored else request.warnings
    return Answer(
        request.id, reply.status or OK, reply, tuple(warnings),
        raw=route.raw, top=route.top, text=text,
    )  # fmt: skip


def _response_entry(case: Case, outcome: Outcome, now_ns: int, event_id: str) -> ResponseEntry:
    reply, error = outcome.reply, outcome.error
    warnings = tuple(case.request.warnings)
    if error is not None:
        return ResponseEntry(
            time_ns=now_ns,
            request=case.entry,
            warnings=warnings,
            error=error.recorded,
            event_id=event_id,
        )
    auth = None if reply is None else reply.auth
    return ResponseEntry(
        time_ns=now_ns,
        request=case.entry,
        data=None if reply is None else _recorded(reply),
        auth=None if auth is None or reply is None else _audit_auth(auth, reply.created),
        auth_token="" if auth is None else auth.client_token,
        wrap=None if reply is None or reply.wrap is None else Wrapped(**asdict(reply.wrap)),
        warnings=warnings,
        event_id=event_id,
    )


def _recorded(reply: Reply) -> Mapping[str, Any] | None:
    return reply.data if reply.recorded is None else {**(reply.data or {}), **reply.recorded}


def _audit_auth(auth: Auth, created: tuple[bytes, ...]) -> Caller:
    return Caller(
        id=created[0] if created else auth.accessor.encode(),
        accessor=auth.accessor,
        policies=auth.policies,
        token_policies=auth.token_policies,
        metadata=auth.metadata,
        entity_id=auth.entity_id,
        token_type=auth.token_type,
        token_ttl=auth.lease_duration,
        remaining_uses=auth.num_uses,
    )
