"""The ordered steps of a request, on one screen: admit, act, record, answer."""

from collections.abc import Mapping, Sequence
from typing import Final

from custody.audit.record import Caller, ResponseEntry
from custody.base.errors import (
    AuditFailed,
    BadRequest,
    CustodyError,
    MethodNotAllowed,
    NotFound,
    Unavailable,
)
from custody.base.store import StaleDecision, Transaction
from custody.core import outbox
from custody.core.act import Act
from custody.core.call import Answer, Call
from custody.core.case import Case
from custody.core.confine import Desk
from custody.core.gate import Gate
from custody.core.parts import Parts
from custody.plugin.request import Auth, Reply
from custody.plugin.route import Kind, Op, Route
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
        self._broker = parts.broker
        self._clock = parts.clock

    async def handle(self, call: Call) -> Answer:
        """The answer to `call`. Raises CustodyError; every outcome is on an audit device first."""
        if call.wrap_ttl:
            raise BadRequest("response wrapping is not available in this version")
        for _ in range(ATTEMPTS):
            case = await self._gate.admit(call)
            try:
                return await self._answer(case)
            except StaleDecision:
                continue  # what the decision was read from has changed: decide again
        raise Unavailable("the policies that govern this request keep changing; try again")

    async def _answer(self, case: Case) -> Answer:
        _check_verb(case)
        act = Act(case, self._parts, self._desk)
        try:
            reply = await self._run(case, act)
        except CustodyError as error:
            text = error.listed[0] if error.listed else type(error).__name__
            await self._record(case, act, None, text)
            raise
        await self._record(case, act, reply, "")
        await self._finish_use(case)
        return answer_of(case.call.id, case.match.route, reply, case.request.warnings)

    async def _run(self, case: Case, act: Act) -> Reply | None:
        _bind(case)
        kind = case.action.kind
        if kind is Kind.READS:
            return _filtered(case, act.read())
        if kind is Kind.WRITES:
            return await act.transact()
        return await act.perform()

    async def _record(self, case: Case, act: Act, reply: Reply | None, error: str) -> None:
        entry = _response_entry(case, reply, error, self._clock.now_ns(), committed=act.committed)
        try:
            await self._broker.record(entry)
        except AuditFailed:
            if act.committed:
                await self._undeliver(reply)
                raise AuditFailed("committed but not recorded") from None
            raise
        if act.committed:
            request_id = case.call.id
            self._barrier.write_later(lambda txn: outbox.forget(txn, request_id))

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

    async def _finish_use(self, case: Case) -> None:
        caller = case.request.caller
        if caller is not None and case.token is not None and case.token.num_uses < 0:
            await self._gate.finish_use(caller.id, case.token)


def _check_verb(case: Case) -> None:
    if case.call.head:
        raise MethodNotAllowed


def _bind(case: Case) -> None:
    """Type the body's (or query's) fields; warn of those that nobody reads."""
    action, request = case.action, case.request
    source: Mapping[str, object] = request.raw if case.call.op in _BODIED else request.query
    unknown: list[str] = []
    if action.body is not None:
        request.body, unknown = action.body.read(source)
    elif not action.free:
        unknown = sorted(source)
    captured = [name for name in unknown if name in request.params]
    ignored = [name for name in unknown if name not in request.params and name not in _SPELLINGS]
    if ignored:
        request.warn(f"Endpoint ignored these unrecognized parameters: [{' '.join(ignored)}]")
    if captured:
        request.warn(
            "Endpoint replaced the value of these parameters with the values captured from the "
            f"endpoint's path: [{' '.join(captured)}]"
        )


_BODIED: Final = frozenset((Op.WRITE, Op.PATCH))
_SPELLINGS: Final = frozenset(("list", "scan", "help"))  # of the verb, not fields


def _filtered(case: Case, reply: Reply | None) -> Reply | None:
    """A list without the keys that its rule hides."""
    if case.decision is None or case.decision.keys_path is None:
        return reply
    if reply is None or reply.data is None or "keys" not in reply.data:
        return reply
    keys = case.visible(reply.data["keys"])
    if not keys:
        raise NotFound
    shown = {**reply.data, "keys": keys}
    if isinstance(info := shown.get("key_info"), Mapping):
        shown["key_info"] = {key: info[key] for key in keys if key in info}
    reply.data = shown
    return reply


def answer_of(
    request_id: str, route: Route, reply: Reply | None, warnings: Sequence[str]
) -> Answer:
    """What a handler's reply means on the wire: nothing to say is 204."""
    if reply is None and not warnings:
        return Answer(request_id, NO_CONTENT)
    reply = reply if reply is not None else Reply()
    return Answer(
        request_id, reply.status or OK, reply, tuple(warnings), raw=route.raw, top=route.top
    )


def _response_entry(
    case: Case, reply: Reply | None, error: str, now_ns: int, *, committed: bool
) -> ResponseEntry:
    auth = reply.auth if reply is not None else None
    return ResponseEntry(
        time_ns=now_ns,
        request=case.entry,
        data=reply.data if reply is not None else None,
        auth=_audit_auth(auth, reply.created) if auth is not None and reply is not None else None,
        auth_token=auth.client_token if auth is not None else "",
        warnings=tuple(case.request.warnings),
        error=error,
        event_id=case.call.id if committed else "",
    )


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
