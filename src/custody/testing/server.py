"""A whole server in memory: every layer but sockets, processes and the disk is the real one.

A request enters as ASGI and passes the edge, the pipeline, the audit broker, the engine and the
barrier. What stands outside is here in memory: rows, an audit device that keeps its records in a
list, the custodian's keeper without its process, counters, and a clock moved by hand.

    async with MemoryServer() as server:
        root = server.root_token
        await server.call("POST", "secret/data/app", token=root, body={"data": {"user": "u"}})
        answer = await server.call("GET", "secret/data/app", token=root)
        assert answer.data["data"] == {"user": "u"}
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import quote, unquote

import msgspec

from custody.audit.broker import Broker
from custody.audit.device import Device, DeviceFailed
from custody.audit.kinds import KINDS, Kind
from custody.audit.table import Declared
from custody.barrier.barrier import Barrier
from custody.base import log
from custody.base.clock import NANOSECOND, Clock
from custody.base.ids import Source, SystemSource
from custody.base.secret import Secret
from custody.base.store import Store
from custody.core import bootstrap
from custody.core.ceremony import AnyOutcome, AnyStep
from custody.core.desk import Settings
from custody.core.node import Node
from custody.core.parts import Parts
from custody.core.ports import Devices, Initialised, SealStatus, Unsealing
from custody.http.app import App, Scope
from custody.plugin.route import Engine
from custody.seals.config import SHAMIR
from custody.seals.plan import Named, Plan
from custody.seals.seal import Seal
from custody.serve import catalog
from custody.serve.keeper import Keeper
from custody.serve.page import NAMES
from custody.storage.memory import MemoryStore

START_NS: Final = 1_700_000_000 * NANOSECOND
AUDIT_PATH: Final = "recorder/"
KV_MOUNT: Final = "secret"
_DONE: Final = (200, 204)
Headers = Sequence[tuple[str, str]]


class HandClock:
    """Stands still until it is told to advance."""

    def __init__(self, now_ns: int = START_NS) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return self._now_ns

    def boot_ns(self) -> int:
        """The same clock: nobody adjusts it."""
        return self._now_ns

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now_ns += int(seconds * NANOSECOND)


class Recorder:
    """An audit device that keeps records in a list; refuses them while `broken` is set."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.broken = False

    async def accept(self, batch: Sequence[bytes], deadline_ns: int) -> None:
        """Keep the batch. Raises DeviceFailed."""
        del deadline_ns
        if self.broken:
            raise DeviceFailed("the recorder is broken")
        self.lines += batch

    def stop(self) -> None:
        """Nothing runs."""

    async def close(self) -> None:
        """Nothing runs."""

    @property
    def records(self) -> list[dict[str, Any]]:
        """What was accepted, decoded."""
        return [msgspec.json.decode(line) for line in self.lines]


class Counters:
    """The shared page of a node with one process."""

    def __init__(self) -> None:
        self.values = dict.fromkeys(NAMES, 0)
        self.started_ns = 0

    def add(self, name: str, amount: int = 1) -> None:
        """Count. Raises KeyError for a name that a real page does not know."""
        self.values[name] += amount

    def totals(self) -> Mapping[str, int]:
        """The sums."""
        return self.values


class LastWords:
    """The log of a node that stops as soon as somebody watches it.

    It has two lines; what is `meanwhile` happens between them.
    """

    def __init__(self) -> None:
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def follow(
        self, level: str, form: str, may: Callable[[], bool]
    ) -> AsyncGenerator[bytes, None]:
        """Its lines, at level info, for whoever `may`."""
        for text in ("stopping", "stopped"):
            if not may():
                return
            line = log.Line(START_NS, log.LEVELS["info"], "supervisor", 1, text)
            if log.LEVELS[level] <= line.level:
                yield f"{log.FORMS[form](line)}\n".encode()
            if self.meanwhile is not None:
                await self.meanwhile()
                self.meanwhile = None


class InProcessCustodian:
    """The custodian's keeper without a process of its own, serving one node."""

    def __init__(self, keeper: Keeper, barrier: Barrier) -> None:
        self._keeper = keeper
        self._barrier = barrier
        self.node: Node | None = None
        self.shut = False  # somebody sealed the node: it does not open by itself

    async def status(self) -> SealStatus:
        """Where the unseal stands."""
        return self._keeper.status()

    async def look_at_seal(self) -> None:
        """What the custodian's process does now and then."""
        await self._keeper.look_at_seal()

    async def initialise(self, shares: int, threshold: int) -> Initialised:
        """The rows of a new store, its shares and root token. Raises BadRequest."""
        return await self._keeper.initialise(shares, threshold)

    async def unseal(
        self, share: Secret[bytes], meta: Mapping[bytes, bytes], *, migrate: bool = False
    ) -> Unsealing:
        """Take a share; with enough of them the barrier opens. Raises BadRequest."""
        opening = await self._keeper.add_share(share.reveal(), meta.items(), migrate=migrate)
        if opening.opened:
            await self._open()
        return Unsealing(self._keeper.status(), opening.change)

    async def open_migrated(self, meta: Mapping[bytes, bytes]) -> SealStatus:
        """Open with the rows of a migration. Raises Unavailable."""
        self._keeper.open_migrated(meta.items())
        await self._open()
        return self._keeper.status()

    async def unseal_automatically(self, meta: Mapping[bytes, bytes]) -> bool:
        """Open by the automatic seal. Raises Unavailable."""
        held = None if self.shut else await self._keeper.ask_seal(meta.items())
        if held is None or self.shut:
            return False
        if self._keeper.adopt(held):
            await self._open()
        return self._keeper.outdated(meta.items())

    async def _open(self) -> None:
        self.shut = False
        self._take()
        if self.node is not None:
            await self.node.prepare()

    async def reset(self) -> SealStatus:
        """Forget the shares given so far."""
        self._keeper.reset()
        return self._keeper.status()

    async def seal(self) -> None:
        """Forget the keys, here and in the barrier."""
        self.shut = True
        self._keeper.forget()
        self._barrier.drop()

    async def take(self, step: AnyStep, meta: Mapping[bytes, bytes]) -> AnyOutcome:
        """Take a step of a ceremony. Raises Sealed, BadRequest, Unavailable."""
        return await self._keeper.take(step, meta.items())

    async def set_level(self, logger: str, level: str) -> None:
        """Set it in this process: `info` is what it goes back to."""
        log.set_levels("info" if logger else level or "info", {logger: level} if logger else {})

    async def restart(self) -> None:
        """There is no other process."""

    async def install(self, meta: Mapping[bytes, bytes]) -> None:
        """Use the stored keyring from now on."""
        self._keeper.install(meta.items())
        self._take()

    def _take(self) -> None:
        if self._keeper.keyring is not None:
            self._barrier.install(self._keeper.keyring)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer as it left the server. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return msgspec.json.decode(self.body)

    @property
    def data(self) -> Any:
        """The envelope's `data`."""
        return self.json["data"]

    @property
    def errors(self) -> list[str]:
        """The error body's texts."""
        errors: list[str] = self.json["errors"]
        return errors

    @property
    def warnings(self) -> list[str]:
        """The envelope's warnings; empty where there are none."""
        return self.json["warnings"] or []


@dataclass(slots=True)
class _Exchange:
    """One request's ASGI messages."""

    chunks: list[bytes]
    leaves: bool = False  # the client is gone before the last chunk
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    answered: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self) -> MutableMapping[str, Any]:
        """The next message of the client, who stays until it is answered unless it `leaves`."""
        if not self.chunks:
            if not self.leaves:
                await self.ended.wait()
            return {"type": "http.disconnect"}
        chunk = self.chunks.pop(0)
        more = bool(self.chunks) or self.leaves
        return {"type": "http.request", "body": chunk, "more_body": more}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Take a message of the server."""
        if message["type"] == "http.response.start":
            self.status, self.answered = message["status"], True
            self.headers = {name.decode(): text.decode() for name, text in message["headers"]}
        else:
            self.body += message.get("body", b"")
            if not message.get("more_body"):
                self.ended.set()


class MemoryServer:
    """A node of one process. Used as a context it is initialised, unsealed and has KV at secret/.

    `engines` are mounted beside the catalogue's; `audited` False leaves it without a device.
    `store` is memory unless given; whoever gives it closes it. `broker` is what records go through.
    `seal` is the configured automatic one, `given_up` those that the configuration disables.
    `closed`: ceremonies want a token. `sanitized` is what it tells of its configuration.
    """

    def __init__(  # noqa: PLR0913 - whoever makes one names the few that it means
        self,
        *engines: Engine,
        clock: Clock | None = None,
        source: Source | None = None,
        audited: bool = True,
        store: Store | None = None,
        broker: Callable[[Mapping[str, Kind], Clock, Source], Devices] = Broker,
        data_path: str = "",
        seal: Seal | None = None,
        given_up: Sequence[Named] = (),
        closed: bool = False,
        sanitized: Mapping[str, object] | None = None,
    ) -> None:
        self.clock = clock or HandClock()
        self.source = source or SystemSource()
        self.store = MemoryStore() if store is None else store
        self.barrier = Barrier(self.store, self.clock, self.source)
        self.recorder = Recorder()
        self.counters = Counters()
        self.journal = LastWords()
        self.root_token = ""
        self.address = "127.0.0.1"  # where requests come from
        self.shares: list[str] = []
        self._seal = seal
        active = Named(SHAMIR) if seal is None else Named(seal.kind, seal.identity)
        declared = {AUDIT_PATH: Declared(type="recorder")} if audited else {}
        self.settings = Settings(
            cluster_name="memory",
            declared_audit=declared,
            data_path=data_path,
            sanitized=sanitized or {},
            seals=Plan(active, tuple(given_up)),
            closed_rekey=closed,
            closed_generate_root=closed,
        )
        self.custodian = InProcessCustodian(self._keeper(), self.barrier)
        self.broker = broker({**KINDS, "recorder": self._kind()}, self.clock, self.source)
        self.parts = Parts(
            store=self.store,
            barrier=self.barrier,
            broker=self.broker,
            custodian=self.custodian,
            metrics=self.counters,
            journal=self.journal,
            catalog=catalog.load() | {engine.kind: engine for engine in engines},
            settings=self.settings,
            clock=self.clock,
            source=self.source,
        )
        self.restart()

    def restart(self) -> None:
        """Answer as a new process on the same store would: nothing decided is remembered."""
        self.node = self.custodian.node = Node(self.parts)
        self.app = App(self.node, self.source)

    async def __aenter__(self) -> Self:
        await self.initialise()
        await self.unseal()
        await self.mount(KV_MOUNT, "kv-v2")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.broker.close()

    async def initialise(self, shares: int = 1, threshold: int = 1) -> None:
        """Initialise through the API; keeps the shares and the root token."""
        body = {"secret_shares": shares, "secret_threshold": threshold}
        made = (await self.expect(200, "PUT", "sys/init", body=body)).json
        self.shares, self.root_token = made["keys"], made["root_token"]

    async def unseal(self) -> None:
        """Give every share."""
        for share in self.shares:
            await self.expect(200, "PUT", "sys/unseal", body={"key": share})

    async def seal(self) -> None:
        """Seal as the root token may."""
        await self.expect(204, "PUT", "sys/seal", token=self.root_token)

    async def mount(self, path: str, kind: str) -> None:
        """Enable an engine."""
        await self.expect(
            204, "POST", f"sys/mounts/{path}", token=self.root_token, body={"type": kind}
        )

    async def token(self, policy: str = "", **fields: Any) -> str:
        """A new token; `policy` is the text of one made for it alone, `fields` go to its create."""
        policies = []
        if policy:
            policies = [f"made-{self.source.random(8).hex()}"]
            path = f"sys/policies/acl/{policies[0]}"
            made = await self.call("POST", path, token=self.root_token, body={"policy": policy})
            if made.status not in _DONE:  # with warnings it is 200
                raise AssertionError(made.body.decode())
        body = {"policies": policies or ["default"], **fields}
        made = await self.expect(200, "POST", "auth/token/create", token=self.root_token, body=body)
        token: str = made.json["auth"]["client_token"]
        return token

    async def expect(self, status: int, method: str, path: str, **more: Any) -> Response:
        """As `call`. Raises AssertionError for another status."""
        answer = await self.call(method, path, **more)
        if answer.status != status:
            raise AssertionError(f"{method} {path}: {answer.status} {answer.body.decode()}")
        return answer

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        body: object = None,
        headers: Headers = (),
    ) -> Response:
        """One request. A `path` without a leading slash is below /v1/; it may end in a ?query.

        `body` is sent as it is if it is bytes, else as JSON; None sends none.
        """
        sent = list(headers)
        if token:
            sent.append(("X-Vault-Token", token))
        if method == "PATCH" and not any(name.lower() == "content-type" for name, _ in headers):
            sent.append(("Content-Type", "application/merge-patch+json"))
        content = b"" if body is None else body
        if not isinstance(content, bytes):
            content = msgspec.json.encode(content)
        if content:
            sent.append(("Content-Length", str(len(content))))
        answer = await self.exchange(method, path, sent, [content])
        if answer is None:
            raise AssertionError("the server said nothing")
        return answer

    async def exchange(
        self,
        method: str,
        path: str,
        headers: Headers,
        chunks: Sequence[bytes],
        *,
        leaves: bool = False,
    ) -> Response | None:
        """One request in its raw parts: nothing is added to the headers.

        With `leaves` the client goes away after the last of `chunks`, before its body is whole.
        None if the server did not answer.
        """
        exchange = _Exchange(list(chunks), leaves)
        await self.app(_scope(method, path, headers, self.address), exchange.receive, exchange.send)
        if not exchange.answered:
            return None
        return Response(exchange.status, exchange.headers, exchange.body)

    def _keeper(self) -> Keeper:
        async def first_rows(barrier: Barrier) -> Secret[str]:
            return await bootstrap.first_rows(barrier, self.settings, self.clock, self.source)

        return Keeper(first_rows, self.clock, self.source, self._seal, self.settings.seals)

    def _kind(self) -> Kind:
        def check(options: Mapping[str, str]) -> None:
            del options

        def make(path: str, options: Mapping[str, str], clock: Clock, source: Source) -> Device:
            del path, options, clock, source
            return self.recorder

        return Kind(check, make)


def _scope(method: str, path: str, headers: Headers, address: str) -> Scope:
    target = path if path.startswith("/") else f"/v1/{path}"
    raw, _, query = target.partition("?")
    raw_path = quote(raw, safe="/%:@!$&'()*+,;=~").encode()
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(raw_path.decode(), errors="replace"),
        "raw_path": raw_path,
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), text.encode("latin-1")) for name, text in headers],
        "client": (address, 40_000),
        "server": ("127.0.0.1", 8200),
    }
