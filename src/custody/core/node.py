"""A process of a node as the edge sees it: sealed or open, and the way in to the pipeline."""

from collections.abc import Mapping
from typing import Final

from custody import __version__
from custody.audit import table as audit_table
from custody.audit.table import Declared
from custody.base.errors import CustodyError, MethodNotAllowed, Sealed
from custody.base.secret import Secret
from custody.base.store import Transaction
from custody.core import cors, mounts, versions
from custody.core.batch import BatchTokens
from custody.core.bootstrap import TokenHasher
from custody.core.call import Answer, Call, CrossOrigin
from custody.core.damage import DAMAGE, named
from custody.core.desk import Desk
from custody.core.front import Front
from custody.core.gate import CHECKED, Gate, authenticate
from custody.core.match import Match
from custody.core.parts import Parts
from custody.core.pipeline import Pipeline, answer_of
from custody.core.router import RouteTable
from custody.core.wrap_jwt import WrappingKey
from custody.plugin.context import Mount
from custody.plugin.request import Reply, Request
from custody.plugin.route import MIB, Access, Kind

LARGEST_BODY: Final = 1 * MIB  # where there is no route to say it
_SYS: Final = mounts.SYS.path
_CLASSES: Final = tuple(f"requests_{hundred}xx" for hundred in range(6))


class Node:
    """Answers every call; made by `serve` of the parts it built."""

    def __init__(self, parts: Parts) -> None:
        hasher = TokenHasher(parts.barrier)
        self.parts = parts
        self._running, self._clock = parts.running, parts.clock
        self.front = Front(parts)
        self._desk = Desk(
            hasher.token,
            hasher.accessor,
            parts.settings,
            parts.catalog,
            BatchTokens(parts.barrier),
            WrappingKey(parts.barrier),
        )
        self._routes = {kind: RouteTable(engine) for kind, engine in parts.catalog.items()}
        self._pipeline = Pipeline(Gate(parts, self._desk, self._routes), parts, self._desk)
        self._uploads = frozenset(
            _SYS + route.pattern for route in parts.catalog[mounts.SYS.kind].routes if route.upload
        )
        self._system_mount = Mount(
            mounts.SYS.id, _SYS, mounts.SYS.kind, mounts.SYS.accessor, {},
            parts.settings.default_lease_ttl, parts.settings.max_lease_ttl,
        )  # fmt: skip

    async def handle(self, call: Call) -> Answer:
        """The answer to `call`. Raises CustodyError."""
        running = self._running
        running[call.id] = (call, self._clock.now_ns())
        try:
            match = None if call.help else self._own_route(call.path)
            if match is not None and self._answers_alone(match):
                return await self._status(call, match)
            if self.parts.barrier.sealed:
                raise Sealed
            return await self._pipeline.handle(call)
        except DAMAGE as found:  # where no case was there to record it with
            raise named(found, self.parts.metrics) from found
        finally:
            running.pop(call.id, None)

    def body_limit(self, path: str, token: Secret[str] | None) -> int:
        """How many bytes the route at `path` takes.

        Raises Sealed, and PermissionDenied where the route asks for a token and there is no valid
        one: what there is at a path, which its limit would tell, is not told to strangers.
        """
        match = self._own_route(path)
        if match is not None and self._answers_alone(match):
            return match.route.max_body
        try:
            return self._limit_of(path, token, match)
        except DAMAGE as found:
            raise named(found, self.parts.metrics) from found

    async def refuse(self, call: Call, error: CustodyError) -> None:
        """Record that `call` is refused with `error` before its body was read.

        Raises AuditFailed.
        """
        try:
            await self._pipeline.refuse(call, error)
        except DAMAGE as found:
            raise named(found, self.parts.metrics) from found

    @property
    def uploads(self) -> frozenset[str]:
        """The paths whose bodies are uploads."""
        return self._uploads

    def ignores_wrapping(self, path: str) -> bool:
        """Whether the answer at `path` is never wrapped: the node's own status."""
        match = self._own_route(path)
        return match is not None and self._answers_alone(match)

    def cross_origin(self, origin: str) -> CrossOrigin | None:
        """What a page of `origin` may; None where origins are not looked at, or it is sealed.

        Raises PermissionDenied for an origin that is not allowed.
        """
        if self.parts.barrier.sealed:
            return None
        try:
            with self.parts.barrier.snapshot() as rows:
                return cors.allow(cors.read_config(rows), origin)
        except DAMAGE as found:
            raise named(found, self.parts.metrics) from found

    def count(self, status: int) -> None:
        """One answer of this status is about to leave."""
        self.parts.metrics.add(_CLASSES[status // 100])

    async def prepare(self, declared: Mapping[str, Declared] | None = None) -> None:
        """Make the store ready for workers: the steward runs this once the keyring is here.

        `declared` are the configuration's audit devices, those of the start unless given.
        Raises BadRequest where the configuration declares an audit device that cannot be.
        """
        if declared is None:
            declared = self.parts.settings.declared_audit
        keys = {path: self.parts.source.random(32) for path in declared}
        now_ns = self.parts.clock.now_ns()

        def sync(txn: Transaction) -> None:
            audit_table.sync_declared(txn, declared, keys, now_ns)
            versions.note(txn, __version__, now_ns)

        await self.parts.barrier.write(sync, essential=True)

    def _limit_of(self, path: str, token: Secret[str] | None, match: Match | None) -> int:
        with self.parts.barrier.snapshot() as rows:
            mount = mounts.resolve(rows, path)
            table = None if mount is None else self._routes.get(mount.engine or mount.kind)
            if mount is not None and table is not None:
                match = table.match(path[len(mount.path) :])
            if match is None or match.route.access in CHECKED:
                now_ns = max(self.parts.clock.now_ns(), self.parts.barrier.floor_ns(rows))
                authenticate(rows, self._desk, token, now_ns)
        return LARGEST_BODY if match is None else match.route.max_body

    def _own_route(self, path: str) -> Match | None:
        if not path.startswith(_SYS):
            return None
        return self._routes[mounts.SYS.kind].match(path[len(_SYS) :])

    def _answers_alone(self, match: Match) -> bool:
        route = match.route
        return route.sealed and (route.access is Access.PUBLIC or self.parts.barrier.sealed)

    async def _status(self, call: Call, match: Match) -> Answer:
        action = match.route.actions.get(call.op)
        if action is None or (call.head and not match.route.head):
            raise MethodNotAllowed
        request = Request(
            id=call.id,
            path=call.path[len(_SYS) :],
            mount=self._system_mount,
            params=match.params,
            now_ns=self.parts.clock.now_ns(),
            source=self.parts.source,
            raw=call.body,
            query=call.query,
            remote=call.remote_address,
            op=call.op,
            upload=call.upload,
        )
        if action.body is not None:
            request.body, _ = action.body.read(call.body or call.query)
        reply: Reply | None
        if action.kind is Kind.ACTS:
            reply = await action.run(request, self.front)  # type: ignore[misc] # kind ACTS
        else:
            reply = action.run(request, self.front)  # type: ignore[assignment] # kind READS
        return answer_of(request, match.route, reply)
