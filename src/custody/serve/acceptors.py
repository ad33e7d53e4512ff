"""A worker's listeners: each is served by one acceptor, which a reload replaces without a pause.

The next acceptor is there before the last one goes. The last one then accepts nobody, but goes on
serving who is connected, and asks each of them to come anew with its next answer; what is left
after a while is closed. No request is lost, and a certificate that cannot be used changes nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from custody.base.ids import Source
from custody.http.app import Pipeline
from custody.serve.edge import Edge
from custody.serve.idle import Held, Ports
from custody.serve.listeners import App, BadListener, Serving, port_of
from custody.serve.relay import Relay
from custody.serve.settings import Listener

_SETTLE: Final = 0.2  # seconds in which an acceptor that cannot serve has ended
_RETIRED: Final = 30.0  # seconds for the connections of the one before to come anew
Serve = Callable[[Listener, int, App, int], Serving]  # raises BadListener
_log = logging.getLogger(__name__)


class Acceptor:
    """One listener, and who serves it now."""

    def __init__(
        self,
        listener: Listener,
        fd: int,
        pipeline: Pipeline,
        source: Source,
        connections: int,
        serve: Serve,
    ) -> None:
        """Must be made in a running event loop. A relay waits for `begin`. Raises BadListener."""
        self.listener = listener
        self._relay: Relay | None = None
        clients = None
        if listener.proxy_protocol is not None:
            self._relay = Relay(fd, listener.proxy_protocol, connections)
            clients, fd = self._relay.clients, self._relay.inner.fileno()
        # By the port of connections, the peers that a relay knows; whoever connects to its inner
        # port past it is none of them. Of those of a Unix socket nobody knows how idle they are:
        # they have but their listener's own share.
        port = port_of(fd)
        self.ports: Ports = {} if port is None else {port: () if clients is None else clients}
        self.edge = Edge(listener, pipeline, source, clients)
        try:
            self.serving = serve(listener, fd, self.edge.application, connections)
        except BadListener:
            if self._relay is not None:
                self._relay.close()
            raise

    def held(self) -> list[Held]:
        """The connections of a relay."""
        return [] if self._relay is None else self._relay.held()

    def begin(self) -> None:
        """Accept where a relay does. Without one the server accepts as soon as it can serve."""
        if self._relay is not None:
            self._relay.accept()

    def turn_away(self) -> None:
        """Accept nobody any more, and ask those connected to come anew."""
        if self.edge.closing:
            return
        self.edge.closing = True
        if self._relay is None:
            self.serving.accept_nobody()
        else:
            self._relay.accept_nobody()

    async def retire(self) -> None:
        """Turn all away, and end when those connected had time to come anew."""
        self.turn_away()
        await asyncio.sleep(_RETIRED)
        await self.stop()
        await self.end()

    async def stop(self) -> None:
        """Accept nobody, and finish what is in flight."""
        if self._relay is not None:
            self._relay.accept_nobody()
        await self.serving.stop()

    async def end(self) -> None:
        """Pass on what was answered last."""
        if self._relay is not None:
            await self._relay.end()


class Acceptors:
    """All of a worker's listeners. Must be made in a running event loop."""

    def __init__(
        self,
        listeners: Sequence[Listener],
        fds: Sequence[int],
        pipeline: Pipeline,
        source: Source,
        connections: int,
        *,
        serve: Serve = Serving,
    ) -> None:
        """`connections` is how many each listener takes. Raises BadListener."""
        self._fds = fds
        self._pipeline = pipeline
        self._source = source
        self._connections = connections
        self._serve = serve
        self._retired: dict[Acceptor, asyncio.Task[None]] = {}
        self._changing = asyncio.Lock()
        self.ended = asyncio.Event()  # one ended that was not asked to
        self._acceptors = [
            self._new(listener, fd) for listener, fd in zip(listeners, fds, strict=True)
        ]
        for one in self._acceptors:
            one.begin()

    @property
    def in_flight(self) -> int:
        """Requests that are being answered."""
        return sum(one.edge.in_flight for one in (*self._acceptors, *self._retired))

    async def reload(self, listeners: Sequence[Listener]) -> None:
        """Serve by these settings from now on; the certificates are read again in any case."""
        async with self._changing:
            for place, listener in enumerate(listeners):
                if listener.tls is None and listener == self._acceptors[place].listener:
                    continue
                await self._replace(place, listener)

    def turn_away(self) -> None:
        """This process ends soon: nobody is to begin anything on a connection that it holds."""
        for one in self._acceptors:
            one.turn_away()

    async def stop(self) -> None:
        """Accept nobody, and end; what is in flight is answered."""
        for task in self._retired.values():
            task.cancel()
        await asyncio.gather(*(one.stop() for one in (*self._acceptors, *self._retired)))

    async def end(self) -> None:
        """Let the last answers leave: to be called when none is in flight."""
        await asyncio.gather(*(one.end() for one in (*self._acceptors, *self._retired)))

    def ports(self) -> Ports:
        """Those of all connections, and whom the relays know there."""
        each = (one.ports for one in (*self._acceptors, *self._retired))
        return {port: known for ports in each for port, known in ports.items()}

    def held(self) -> list[Held]:
        """The connections of all relays. For any thread."""
        return [held for one in (*self._acceptors, *self._retired) for held in one.held()]

    def _new(self, listener: Listener, fd: int) -> Acceptor:
        acceptor = Acceptor(
            listener, fd, self._pipeline, self._source, self._connections, self._serve
        )
        acceptor.serving.task.add_done_callback(lambda _: self._on_end(acceptor))
        return acceptor

    async def _replace(self, place: int, listener: Listener) -> None:
        last = self._acceptors[place]
        try:
            following = self._new(listener, self._fds[place])
        except BadListener as error:
            _log.error("not reloaded: %s", error)
            return
        await asyncio.wait([following.serving.task], timeout=_SETTLE)
        if following.serving.task.done():
            _log.error("not reloaded: the certificate of %s cannot be served", listener.address)
            await following.end()
            return
        following.begin()  # not before: whom it accepted would be lost with it
        self._acceptors[place] = following
        self._retired[last] = task = asyncio.create_task(last.retire())
        task.add_done_callback(lambda _: self._retired.pop(last, None))

    def _on_end(self, acceptor: Acceptor) -> None:
        if acceptor in self._acceptors:
            self.ended.set()
