"""An engine mounted over memory and driven as the core drives it, without the rest of a server."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, cast

from custody.base.clock import NANOSECOND
from custody.core.router import RouteTable
from custody.plugin.context import Mount
from custody.plugin.fields import Fields
from custody.plugin.request import Reply, Request
from custody.plugin.route import Action, Engine, Handler, Kind, Op
from custody.testing.storage import MemoryStorage

_TYPED_QUERY = frozenset({Op.READ, Op.LIST, Op.SCAN, Op.DELETE})


class CountingSource:
    """Bytes that never repeat and are the same in every run."""

    def __init__(self) -> None:
        self._drawn = 0

    def random(self, size: int) -> bytes:
        """The next `size` bytes; at most 32."""
        self._drawn += 1
        return sha256(self._drawn.to_bytes(8, "big")).digest()[:size]


class MountedEngine:
    """One engine on one mount. `now_ns` stands still until a test moves it."""

    def __init__(self, engine: Engine) -> None:
        self.storage = MemoryStorage()
        self.now_ns = 1_700_000_000 * NANOSECOND
        self.last: Request  # what the last call's handler was given, with its warnings
        self._source = CountingSource()
        self._routes = RouteTable(engine)
        self._mount = Mount(
            id=b"\x80mounted",
            path=f"{engine.kind}/",
            kind=engine.kind,
            accessor=f"{engine.kind}_0",
            options=engine.options,
            default_lease_ttl=0,
            max_lease_ttl=0,
        )
        if engine.mounted is not None:
            with self.storage.transaction() as transaction:
                engine.mounted(self._request(Op.WRITE, "", {}), transaction)

    def call(
        self,
        op: Op,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Reply | None:
        """What the handler of `op` on `path` answers; raises what it raises.

        A handler that writes is first run in a transaction that is thrown away, since it must
        bear being run again; that once nothing was found or prefetched for it.
        """
        found = self._routes.match(path)
        assert found is not None, path  # noqa: S101 a test that asks for no route is wrong
        action = found.route.actions[op]
        run = cast("Handler", action.run)

        def asked() -> Request:
            request = self._request(op, path, found.params)
            request.raw, request.query = body or {}, query or {}
            request.body = _typed(action, request.query if op in _TYPED_QUERY else request.raw)
            return request

        self.last = asked()
        if action.kind is Kind.READS:
            return run(self.last, self.storage.snapshot())
        with self.storage.transaction(commit=False) as transaction:
            run(asked(), transaction)
        snapshot = self.storage.snapshot()
        if found.route.exists is not None and op is Op.WRITE:
            found.route.exists(self.last, snapshot)
        if action.prepare is not None:
            action.prepare(self.last, snapshot)
        with self.storage.transaction() as transaction:
            return run(self.last, transaction)

    def exists(self, path: str) -> bool:
        """What the route says about creating or updating `path`."""
        found = self._routes.match(path)
        assert found is not None  # noqa: S101 a test that asks for no route is wrong
        assert found.route.exists is not None  # noqa: S101 the same
        request = self._request(Op.WRITE, path, found.params)
        return found.route.exists(request, self.storage.snapshot())

    def _request(self, op: Op, path: str, params: Mapping[str, str]) -> Request:
        return Request(
            id="00000000-0000-4000-8000-000000000000",
            path=path,
            mount=self._mount,
            params=params,
            now_ns=self.now_ns,
            source=self._source,
            op=op,
        )


def _typed(action: Action, raw: Mapping[str, Any]) -> Fields | None:
    if action.body is None:
        return None
    kind = cast("type[Fields]", action.body)
    return kind.read(raw)[0]
