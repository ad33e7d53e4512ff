"""A server in memory that keeps each of its answers under the route and verb that gave it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from custody.core.help import HELP
from custody.core.router import RouteTable
from custody.plugin.route import Op, Route
from custody.serve import catalog
from custody.serve.sanitized import sanitized
from custody.serve.settings import AuditDevice, Listener, SealStanza, Settings, SocketFile
from custody.testing.server import Headers, MemoryServer, Response

VERBS: Mapping[str, Op] = {
    "GET": Op.READ, "LIST": Op.LIST, "SCAN": Op.SCAN, "POST": Op.WRITE, "PUT": Op.WRITE,
    "PATCH": Op.PATCH, "DELETE": Op.DELETE,
}  # fmt: skip
_ENGINES = catalog.load()
_MOUNTS: Mapping[str, RouteTable] = {
    "sys/": RouteTable(_ENGINES["system"]),
    "auth/token/": RouteTable(_ENGINES["token"]),
    "cubbyhole/": RouteTable(_ENGINES["cubbyhole"]),
    "secret/": RouteTable(_ENGINES["kv"]),
    "plain/": RouteTable(_ENGINES["kv-v1"]),
}
CONFIGURATION = Settings(
    data_path="/data",
    listeners=[
        Listener(host="127.0.0.1", port=8200),
        Listener("", 0, file=SocketFile("/run/custody.sock")),
    ],
    audit=[AuditDevice(kind="file", path="file/")],
    seals=[SealStanza(kind="static")],
)
Key = tuple[str, str, Op]  # the engine's kind, the route's pattern, the verb


@dataclass(frozen=True, slots=True)
class Record:
    """Answers of any number of servers, by what gave them."""

    answers: dict[Key, list[Response]] = field(default_factory=dict)

    def keep(self, method: str, path: str, answer: Response) -> None:
        """Keep an answer, where a route of the catalogue gave it and not the help beside it."""
        raw, _, query = path.partition("?")
        asked = parse_qs(query)
        if HELP in asked:
            return
        op = VERBS[method]
        for listing in (Op.LIST, Op.SCAN):
            if method == "GET" and asked.get(listing.value) == ["true"]:
                op = listing
        for mount, table in _MOUNTS.items():
            below = f"{raw}/".removeprefix(mount).removesuffix("/")
            if (
                f"{raw}/".startswith(mount)
                and (known := table.known(below))
                and op in known.route.actions
            ):
                key = (table.engine.kind, known.route.pattern, op)
                self.answers.setdefault(key, []).append(answer)

    def of(self, kind: str, route: Route, op: Op) -> Sequence[Response]:
        """What a verb of a route answered."""
        return self.answers.get((kind, route.pattern, op), [])


class RecordingServer(MemoryServer):
    """A server whose answers are kept in a record."""

    def __init__(self, record: Record, *engines: Any, **more: Any) -> None:
        super().__init__(*engines, sanitized=sanitized(CONFIGURATION), **more)
        self._record = record

    async def exchange(
        self,
        method: str,
        path: str,
        headers: Headers,
        chunks: Sequence[bytes],
        *,
        leaves: bool = False,
    ) -> Response | None:
        """As a server does, and keep the answer."""
        answer = await super().exchange(method, path, headers, chunks, leaves=leaves)
        if answer is not None and method in VERBS:
            self._record.keep(method, path, answer)
        return answer

    async def ask(self, method: str, path: str, status: int = 200, **body: Any) -> Any:
        """A request of the root token's; the fields of its answer, without the envelope."""
        answer = await self.expect(status, method, path, token=self.root_token, body=body or None)
        if not answer.body or answer.headers["content-type"] != "application/json":
            return None
        shown = answer.json
        return shown["data"] if "request_id" in shown else shown
