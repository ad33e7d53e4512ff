"""Decide and record in one call: there is no way to an engine but through an admitted Case.

The decision is read from one snapshot; everything it was read from is its read-set, which the
engine's own snapshot or transaction compares before it does anything. Denials are recorded as
attempts, with the rule that decided; the caller is told nothing but that it is denied.
"""

import contextlib
from collections.abc import Awaitable, Collection, Mapping
from typing import Final, NoReturn

from custody.audit import record
from custody.audit import table as audit_table
from custody.audit.entry import RequestEntry, ResponseEntry
from custody.audit.record import NO_KEYS
from custody.barrier.rows import View
from custody.base.errors import (
    AuditFailed,
    BadRequest,
    CustodyError,
    MethodNotAllowed,
    NotFound,
    PermissionDenied,
    PolicyDenied,
    UnsupportedPath,
)
from custody.base.secret import Secret
from custody.base.store import Rows, Table
from custody.core import batch, mounts, upgrading, views, wrap
from custody.core import help as help_pages
from custody.core.call import Call
from custody.core.case import Case, Outcome, Shown, Standing
from custody.core.confine import MountStorage, SystemRows
from custody.core.damage import DAMAGE, named
from custody.core.desk import Desk
from custody.core.match import Match
from custody.core.parts import Parts
from custody.core.reading import attempt
from custody.core.router import RouteTable, unsupported
from custody.core.standing import Key, Standings, among, repeatable, settled
from custody.plugin.context import Caller, Mount
from custody.plugin.request import Request
from custody.plugin.route import Access, Action, Engine, Kind, Op
from custody.policy import service as policies
from custody.policy.acl import ACL
from custody.policy.decision import Decision
from custody.token import cidr
from custody.token import service as tokens
from custody.token.entry import TokenEntry
from custody.token.format import BATCH, MAX_BATCH_LENGTH, MAX_LENGTH, SERVICE

PREFIX: Final = len(SERVICE)  # of every token whose text was not chosen
CREATE, UPDATE = "create", "update"
CHECKED: Final = frozenset((Access.AUTHENTICATED, Access.SUDO))  # a token is asked for
_NO_QUERY: Final[Mapping[str, str]] = {}


class Draft:
    """A case while it is being put together; what is found before a denial is recorded with it."""

    __slots__ = ("acl", "decision", "match", "mount", "now_ns", "operation", "standing", "token",
                 "token_hash")  # fmt: skip
    acl: ACL | None
    decision: Decision | None
    match: Match | None
    mount: mounts.MountEntry | None
    standing: Standing | None
    token: TokenEntry | None

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns
        self.acl = self.decision = self.match = self.mount = self.standing = self.token = None
        self.token_hash = b""
        self.operation = ""


class Gate:
    """The only maker of Cases."""

    def __init__(self, parts: Parts, desk: Desk, routes: Mapping[str, RouteTable]) -> None:
        self._barrier = parts.barrier
        self._broker = parts.broker
        self._clock = parts.clock
        self._metrics = parts.metrics
        self._source = parts.source
        self._desk = desk
        self._routes = routes
        self._audit_mounts = views.Views(views.audit_mount)
        self._shown_headers: Mapping[str, bool] = {}  # name → whether its values are hashed
        self._plugin_mounts = views.Views(views.plugin_mount(desk.settings))
        self._decisions = views.Views(views.audit_decision)
        self._callers: views.Views[TokenEntry, views.Principal] = views.Views(views.Principal)
        self._standings = Standings()

    def draft(self) -> Draft:
        """What `admit` fills, and `denied` records."""
        return Draft(self._clock.now_ns())

    def admit(self, call: Call, draft: Draft) -> tuple[Case, Outcome | Awaitable[None]]:
        """The admitted case, and what to await before it acts: a device accepts its record.

        A plain read comes with its outcome instead, taken from the snapshot that decided it, and
        with nothing recorded yet: the caller records both sides at once and discloses nothing
        before.
        Raises what `denied` makes of it.
        """
        with self._barrier.snapshot() as rows:
            # Turning the clock back revives no token: the log's time never goes back.
            draft.now_ns = max(draft.now_ns, self._barrier.floor_ns(rows))
            case = self._decide(rows, call, draft)
            if case.action.kind is Kind.READS and not (case.limited or call.wrap_ttl):
                return case, attempt(case, rows, self._desk)
            self._prepare(rows, case)
        return case, self._broker.record(case.entry)

    def _prepare(self, rows: View, case: Case) -> None:
        """Let the action prefetch. What is damaged its transaction meets again, and there it is
        recorded as what became of an admitted request."""
        if case.action.prepare is not None:
            with contextlib.suppress(*DAMAGE):
                case.action.prepare(case.request, self._place(rows, case.engine, case.mount))

    async def denied(self, call: Call, draft: Draft, found: Exception) -> CustodyError:
        """What the caller may be told of `found`, after a device has accepted the denial's records.

        Raises AuditFailed.
        """
        error = named(found, self._metrics)
        if isinstance(error, PermissionDenied):
            error = self.explain(call, error)
        if not isinstance(error, AuditFailed):
            await self._record_denial(call, draft, error)
            if not isinstance(error, cidr.OutsideNetwork):
                await self._spend_denied(draft)
        return error

    def explain(self, call: Call, denied: CustodyError) -> CustodyError:
        """What the caller is told instead where it is the wrapping token that is wrong."""
        if call.path not in wrap.PATHS:
            return denied
        with self._barrier.snapshot() as rows:
            now_ns = max(self._clock.now_ns(), self._barrier.floor_ns(rows))
            return wrap.explain(rows, self._desk, call, now_ns, denied)

    def use_audit(self) -> None:
        """Record to the devices that are enabled now. Raises AuditFailed if they are not known."""
        with self._barrier.snapshot() as rows:
            self._use_audit(rows)

    async def record_refusal(self, call: Call, error: CustodyError) -> None:
        """Record that `call` is refused with `error` before anything is known of it."""
        await self._record_denial(call, Draft(self._clock.now_ns()), error)

    def engine_of(self, mount: mounts.MountEntry) -> RouteTable:
        """The routes of a mount's engine. Raises UnsupportedPath where its kind is not known."""
        table = self._routes.get(mount.engine or mount.kind)
        if table is None:
            raise UnsupportedPath
        return table

    def _use_audit(self, rows: Rows) -> None:
        table = audit_table.read(rows)
        if table is audit_table.EMPTY:
            # The row is written at initialisation: without it we do not know who must be told.
            raise AuditFailed("the table of audit devices is missing")
        self._broker.use(table)
        self._shown_headers = table.headers

    def _decide(self, rows: View, call: Call, draft: Draft) -> Case:
        if self._standings.moved(rows):
            try:
                self._use_audit(rows)
            except BaseException:
                self._standings.forget()  # the next request must meet the same refusal
                raise
        key = self._key(call)
        standing = None if key is None else self._standings.find(rows, key, draft.now_ns)
        case = None if standing is None else self._again(rows, call, draft, standing)
        if case is not None:
            return case
        standing, request = self._judge(rows, call, draft)
        if key is not None and settled(call, standing):
            self._standings.keep(key, standing)
            draft.standing = standing
        return self._case(rows, call, draft, standing, request)

    def _key(self, call: Call) -> Key | None:
        """Under what a decision on the call may be held."""
        text = call.token.reveal() if call.token is not None else ""
        if not 0 < len(text) <= MAX_LENGTH or not repeatable(call):
            return None
        return self._desk.token_hash(text), call.op, call.path

    def _again(self, rows: View, call: Call, draft: Draft, standing: Standing) -> Case | None:
        """The case on what was decided before, None where that was about another operation."""
        request = self._request(call, draft, standing.shape, standing.below, standing.match)
        request.caller = standing.caller
        exists = standing.match.route.exists
        if exists is not None and call.op is Op.WRITE:
            place = self._place(rows, standing.engine, standing.mount)
            if exists(request, place) is not (standing.operation == UPDATE):
                return None
        draft.standing = standing
        draft.mount, draft.match, draft.operation = (
            standing.mount, standing.match, standing.operation
        )  # fmt: skip
        draft.token_hash, draft.token = standing.token_hash, standing.token
        draft.acl, draft.decision = standing.acl, standing.decision
        return self._case(rows, call, draft, standing, request)

    def _judge(self, rows: View, call: Call, draft: Draft) -> tuple[Standing, Request]:
        """What is decided from the rows. Raises CustodyError."""
        mount = draft.mount = mounts.resolve(rows, call.path)
        if mount is None or mount.engine == mounts.UPGRADING:
            self._refuse_absent(rows, call, draft)
        table = self.engine_of(mount)
        below = call.path[len(mount.path) :]
        match = help_pages.match(table, below) if call.help else table.match(below)
        draft.match = match
        action = None if match is None else match.route.actions.get(call.op)
        access = _access(match, action)
        draft.operation = _operation(call)
        if access in CHECKED or (access is Access.OPTIONAL and call.token):
            self._authenticate(rows, call, draft)
        shape = self._plugin_mounts.of(mount)
        request = self._request(call, draft, shape, below, match)
        asked = self._tell_create(rows, call, draft, table.engine, request)
        if access in CHECKED:
            self._authorise(rows, call, draft, sudo=access is Access.SUDO)
        reads = {place: row for place, row in rows.reads.items() if place not in asked}
        if match is None:
            raise UnsupportedPath
        if action is None:
            raise unsupported(match.route, call.op)
        if call.head:
            raise MethodNotAllowed
        token, acl = draft.token, draft.acl
        standing = Standing(
            engine=table.engine,
            mount=mount,
            shape=shape,
            below=below,
            match=match,
            action=action,
            operation=draft.operation,
            token_hash=draft.token_hash,
            token=token,
            caller=None if token is None else _caller(draft, token),
            acl=acl,
            decision=draft.decision,
            reads=reads,
            tokens=among((Table.TOKEN,), reads),
            until_ns=_until(rows, token, acl),
        )
        return standing, request

    def _tell_create(
        self, rows: View, call: Call, draft: Draft, engine: Engine, request: Request
    ) -> Collection[bytes]:
        """Find out whether a write creates, which is asked each time; the rows read for that."""
        match, mount, known = draft.match, draft.mount, set(rows.reads)
        exists = None if match is None or call.op is not Op.WRITE else match.route.exists
        if exists is None or mount is None:
            return set()
        if draft.token is not None:  # a built-in mount may ask whose it is
            request.caller = _caller(draft, draft.token)
        draft.operation = UPDATE if exists(request, self._place(rows, engine, mount)) else CREATE
        return rows.reads.keys() - known

    def _case(
        self, rows: View, call: Call, draft: Draft, standing: Standing, request: Request
    ) -> Case:
        request.caller, decision = standing.caller, standing.decision
        if decision is not None and decision.limit is not None:
            request.query = {**request.query, "limit": str(decision.limit)}
        reads = {**standing.reads, **rows.reads} if rows.reads else standing.reads
        return Case(call, standing, request, reads, self._entry(call, draft))

    def _place(
        self, rows: Rows, engine: Engine, mount: mounts.MountEntry
    ) -> SystemRows | MountStorage:
        return SystemRows(rows, self._desk) if engine.system else MountStorage(rows, mount.id)

    def _refuse_absent(self, rows: Rows, call: Call, draft: Draft) -> NoReturn:
        """A path without a mount, or without an engine just now: told only to who may ask."""
        draft.operation = _operation(call)
        self._authenticate(rows, call, draft)
        self._authorise(rows, call, draft, sudo=False)
        if draft.mount is not None:
            raise BadRequest(upgrading.TEXT)
        raise _no_route(call)

    def _authenticate(self, rows: Rows, call: Call, draft: Draft) -> None:
        draft.token_hash, draft.token = authenticate(rows, self._desk, call.token, draft.now_ns)
        if draft.token.bound_cidrs:
            cidr.check(draft.token.bound_cidrs, call.remote_address)

    def _authorise(self, rows: Rows, call: Call, draft: Draft, *, sudo: bool) -> None:
        if draft.token is None:
            raise PermissionDenied
        acl = draft.acl = policies.acl_for(rows, draft.token.policies, draft.now_ns)
        decision = draft.decision = acl.decide(
            draft.operation,
            call.path,
            params=call.body or None,
            query=call.query or _NO_QUERY,
            wrap_ttl=call.wrap_ttl or None,
            sudo=sudo,
        )
        if not decision.allowed:
            self._metrics.add("policy_denied")
            raise PolicyDenied("permission denied")
        if call.help and draft.mount is not None and _hidden(draft.mount, acl):
            raise _no_route(call)

    def _request(
        self, call: Call, draft: Draft, mount: Mount, below: str, match: Match | None
    ) -> Request:
        return Request(
            id=call.id,
            path=below,
            mount=mount,
            params=match.params if match is not None else _NO_QUERY,
            now_ns=draft.now_ns,
            source=self._source,
            raw=call.body,
            query=call.query,
            remote=call.remote_address,
            op=call.op,
            wrap_ttl=call.wrap_ttl,
            upload=call.upload,
        )

    def _entry(self, call: Call, draft: Draft, error: str = "") -> RequestEntry:
        shown = self._shown(call, draft)
        return RequestEntry(
            time_ns=draft.now_ns,
            id=call.id,
            operation=draft.operation or call.op.value,
            path=call.path,
            client_token=call.token.reveal() if call.token is not None else "",
            caller=shown.caller,
            mount=shown.mount,
            decision=shown.said,
            data=call.body or call.query or None,
            remote_address=call.remote_address,
            remote_port=call.remote_port,
            wrap_ttl=call.wrap_ttl,
            headers=views.audit_headers(call.headers, self._shown_headers)
            if self._shown_headers
            else None,
            clear_headers=views.clear_headers(self._shown_headers)
            if self._shown_headers
            else NO_KEYS,
            error=error,
            clear_numbers=NO_KEYS if draft.match is None else draft.match.route.clear_numbers,
            subject=draft.standing,
        )

    def _shown(self, call: Call, draft: Draft) -> Shown:
        """The parts of the entry that follow from the decision, kept with one that stands."""
        standing = draft.standing
        if standing is not None and standing.shown is not None:
            return standing.shown
        caller = None
        if draft.token is not None:
            caller = self._callers.of(draft.token).audit_caller(draft.token_hash)
        mount = None if draft.mount is None else self._audit_mounts.of(draft.mount)
        shown = Shown(caller, mount, self._said(call, draft))
        if standing is not None:
            standing.shown = shown
        return shown

    def _said(self, call: Call, draft: Draft) -> record.Decision | None:
        """What the policies said; with a denial, which of their rules came near to allowing it."""
        decision = draft.decision
        if decision is None:
            return None
        if decision.allowed or draft.acl is None:
            return self._decisions.of(decision)
        return views.audit_refusal(decision, draft.acl, draft.operation, call.path)

    async def _record_denial(self, call: Call, draft: Draft, error: CustodyError) -> None:
        text = error.recorded
        entry = self._entry(call, draft, text)
        now_ns = max(self._clock.now_ns(), draft.now_ns)
        response = ResponseEntry(time_ns=now_ns, request=entry, error=text)
        await self._broker.record(entry, response)

    async def _spend_denied(self, draft: Draft) -> None:
        """A denied request uses up one use of a limited token, as an allowed one does."""
        token, token_hash = draft.token, draft.token_hash
        if token is None or not token.num_uses:
            return
        used = await self._barrier.write(
            lambda txn: tokens.use(txn, token_hash, draft.now_ns), essential=True
        )
        await self.finish_use(token_hash, used)

    async def finish_use(self, token_hash: bytes, used: TokenEntry) -> None:
        """Revoke a token whose last use is over."""
        if used.num_uses >= 0:
            return
        now_ns = self._clock.now_ns()
        await self._barrier.write(
            lambda txn: tokens.revoke(txn, token_hash, now_ns), essential=True
        )


def _caller(draft: Draft, token: TokenEntry) -> Caller:
    decision = draft.decision
    return Caller(
        id=draft.token_hash,
        accessor=token.accessor,
        policies=tuple(token.policies),
        display_name=token.display_name,
        entity_id=token.entity_id,
        root=decision is not None and decision.root,
        sudo=decision is not None and decision.sudo,
        num_uses=token.num_uses,
        expires_ns=token.expires_ns,
        token_type=token.type,
    )


def _hidden(mount: mounts.MountEntry, acl: ACL) -> bool:
    """Whether help about a mount would tell the caller of one that it is granted nothing in."""
    return mount.path not in mounts.BUILTIN and not acl.touches(mount.path)


def _no_route(call: Call) -> NotFound:
    return NotFound(f'no handler for route "{call.path}". route entry not found.')


def _until(rows: View, token: TokenEntry | None, acl: ACL | None) -> int:
    """When what was decided ends; 0: never."""
    ends = [
        0 if token is None else tokens.good_until(rows, token),
        0 if acl is None else acl.valid_until_ns or 0,
    ]
    return min((end for end in ends if end), default=0)


def authenticate(
    rows: Rows, desk: Desk, token: Secret[str] | None, now_ns: int
) -> tuple[bytes, TokenEntry]:
    """The key and entry of a valid token. Raises PermissionDenied."""
    text = token.reveal() if token is not None else ""
    if text[:PREFIX] != SERVICE:
        if text[:PREFIX] == BATCH:
            return _authenticate_batch(rows, desk, text, now_ns)
        text = desk.wrapping_key.token_in(text)
    if not 0 < len(text) <= MAX_LENGTH:
        raise PermissionDenied
    token_hash = desk.token_hash(text)
    return token_hash, tokens.authenticate(rows, token_hash, now_ns)


def _authenticate_batch(rows: Rows, desk: Desk, text: str, now_ns: int) -> tuple[bytes, TokenEntry]:
    if len(text) > MAX_BATCH_LENGTH:
        raise PermissionDenied
    token_hash, entry = batch.find(rows, desk, text, now_ns)
    if entry is None:
        raise PermissionDenied
    return token_hash, entry


def _operation(call: Call) -> str:
    """The word that policies know; whether a write creates is found out later."""
    if call.help:
        return help_pages.HELP
    return UPDATE if call.op is Op.WRITE else call.op.value


def _access(match: Match | None, action: Action | None) -> Access:
    if match is None:
        return Access.AUTHENTICATED
    return (None if action is None else action.access) or match.route.access
