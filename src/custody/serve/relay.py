"""A listener behind proxies that speak the PROXY protocol: reads their header, passes on the rest.

The HTTP server cannot read that header and owns the connections that it accepts. So here the
relay accepts, and opens a connection of its own to the HTTP server for each, on loopback: TLS and
HTTP end where they end without it. Each of these comes from an address that no other has had, and
the kernel lets nobody else use it meanwhile: by it a request is known to be whose it is, and one
from an address that the relay does not hold is nobody's (see `http.relayed`).
"""

import asyncio
import contextlib
import errno
import functools
import ipaddress
import logging
import os
import socket
import time
from collections.abc import Iterator
from itertools import count
from typing import Final

from custody.serve.idle import Held, last_bytes
from custody.serve.listeners import BACKLOG
from custody.serve.proxy_header import Address, BadHeader, parse, plain
from custody.serve.settings import ProxyProtocol

DESCRIPTORS: Final = 3  # of a relayed connection: the client's, ours to the server, its own
HEADER_SECONDS: Final = 10.0
PATIENCE: Final = 10.0  # seconds in which a descriptor may become free
LINGER: Final = 2.0  # seconds in which a client may still hang up by itself
_PEEKED: Final = 512  # bytes: more than any header's addresses end at
_CHUNK: Final = 1 << 16
_AT_ONCE: Final = 64  # connections that are accepted before others have their turn
_PAUSE: Final = 0.1  # seconds without accepting when no descriptor is left
_ENDING: Final = 1.0  # seconds for the last bytes when the server has ended
_LOOPBACK: Final = int(ipaddress.IPv4Address("127.0.0.0"))
_PLACES: Final = (1 << 24) - 2
_FULL: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_log = logging.getLogger(__name__)


class Line:
    """A client's connection, what it holds, and when it last spoke.

    The kernel tells that by its ticks, so of many that came at once it does not know which spoke
    last. Who is being answered is among those, and is not to be taken for idle.
    """

    def __init__(self, front: socket.socket) -> None:
        self.front = front
        self.cost = 1  # descriptors
        self.spoke = time.monotonic()  # seconds; the loop's own clock is coarse

    def speak(self) -> None:
        """Bytes pass."""
        self.spoke = time.monotonic()

    def since(self) -> float:
        """Since when no bytes have passed, in monotonic seconds.

        A client that reads slowly is seen by the kernel alone, whom bytes leave piece by piece.
        """
        try:
            return max(self.spoke, last_bytes(self.front))
        except OSError:  # it was closed just now
            return self.spoke


class Relay:
    """One listener's relay. Must be made in a running event loop."""

    def __init__(
        self,
        fd: int,
        proxies: ProxyProtocol,
        limit: int,
        *,
        header_seconds: float = HEADER_SECONDS,
    ) -> None:
        """Accept on a copy of the listening `fd` while `limit` descriptors are not in use."""
        self._loop = asyncio.get_running_loop()
        self._outer = socket.socket(fileno=os.dup(fd))
        self._outer.setblocking(False)  # noqa: FBT003 positional only
        self.inner = _inner()  # where the HTTP server accepts
        self._proxies = proxies
        self._networks = [ipaddress.ip_network(text) for text in proxies.networks]
        self._limit = limit
        self._header_seconds = header_seconds
        self._places = _places()
        self._accepting = False
        self._lines: dict[asyncio.Task[None], Line] = {}
        self.clients: dict[Address, Address] = {}  # by the address of our connection

    def accept(self) -> None:
        """Begin."""
        self._accepting = True
        self._loop.add_reader(self._outer, self._on_connections)

    def accept_nobody(self) -> None:
        """Accept no connection any more, and go on with those that there are."""
        if self._accepting:
            self._accepting = False
            self._loop.remove_reader(self._outer)

    def held(self) -> list[Held]:
        """The connections that there are. For any thread."""
        held = []
        # Its keys alone: pairs would have to be made, which may give others a turn at the lines.
        for task in list(self._lines):
            line = self._lines.get(task)
            if line is not None:
                spoke = line.spoke  # before the rest is asked: what is said from then on counts
                hang_up = functools.partial(self._hang_up, task, spoke)
                held.append(Held(line.since(), line.cost, hang_up))
        return held

    def close(self) -> None:
        """Give back what is held by a relay that never began, or has ended."""
        self.accept_nobody()
        self._outer.close()
        self.inner.close()

    async def end(self) -> None:
        """Pass on what the HTTP server has said last, and close everything."""
        self.accept_nobody()
        if self._lines:
            await asyncio.wait(self._lines, timeout=_ENDING)
        for task in self._lines:
            task.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)
        self.close()

    # -- accepting

    def _on_connections(self) -> None:
        for _ in range(_AT_ONCE):
            if len(self._lines) + len(self.clients) * (DESCRIPTORS - 1) >= self._limit:
                self._pause()
                return
            try:
                front, peer = self._outer.accept()
            except OSError as error:
                if error.errno in _FULL:
                    self._pause()
                return  # another worker took it, or the client left
            self._begin(front, (plain(peer[0].partition("%")[0]), peer[1]))

    def _pause(self) -> None:
        """The connection stays in the backlog, and would wake us for nothing."""
        self._loop.remove_reader(self._outer)
        self._loop.call_later(_PAUSE, self._resume)

    def _resume(self) -> None:
        if self._accepting:
            self._loop.add_reader(self._outer, self._on_connections)

    def _begin(self, front: socket.socket, peer: Address) -> None:
        trusted = self._trusts(peer)
        if not trusted and self._proxies.behavior == "deny_unauthorized":
            front.close()
            _log.debug("refused a connection of %s: not an authorized proxy", peer[0])
            return
        front.setblocking(False)  # noqa: FBT003 positional only
        line = Line(front)
        task = self._loop.create_task(self._relay(line, peer, trusted=trusted))
        self._lines[task] = line
        task.add_done_callback(self._lines.pop)

    def _hang_up(self, task: asyncio.Task[None], spoke: float) -> bool:
        if task.done():
            return False
        self._loop.call_soon_threadsafe(self._cut, task, spoke)
        return True

    def _cut(self, task: asyncio.Task[None], spoke: float) -> None:
        """End a connection that has not spoken since."""
        line = self._lines.get(task)
        if line is not None and line.spoke == spoke:
            task.cancel()

    def _trusts(self, peer: Address) -> bool:
        if self._proxies.behavior == "use_always":
            return True
        address = ipaddress.ip_address(peer[0])
        return any(address in network for network in self._networks)

    # -- one connection

    async def _relay(self, line: Line, peer: Address, *, trusted: bool) -> None:
        with line.front:
            try:
                source, first = await self._header_in_time(line.front)
                client = source if source is not None and trusted else peer
                with self._connection(await self._socket(), client) as back:
                    line.cost = DESCRIPTORS
                    line.speak()
                    await self._loop.sock_connect(back, self.inner.getsockname())
                    await self._loop.sock_sendall(back, first)
                    await self._both_ways(line, back)
            except BadHeader as error:
                _log.debug("hung up on %s: %s", peer[0], error)
            except OSError as error:  # either side has gone
                _log.debug("lost a connection of %s: %s", peer[0], error.strerror)

    async def _header_in_time(self, front: socket.socket) -> tuple[Address | None, bytes]:
        """As `_header`, within the time for it. Raises BadHeader.

        What the kernel gives up is a TimeoutError, too, but no sign of a slow client.
        """
        limit = asyncio.timeout(self._header_seconds)
        try:
            async with limit:
                return await self._header(front)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise BadHeader("no header in time") from error

    async def _header(self, front: socket.socket) -> tuple[Address | None, bytes]:
        """Whom the header names, and what came behind it. Raises BadHeader."""
        data = b""
        while (header := parse(data)) is None:
            data += await self._receive(front, _PEEKED)
        skipped = len(data)
        while skipped < header.length:
            skipped += len(await self._receive(front, min(header.length - skipped, _CHUNK)))
        return header.source, data[header.length :]

    async def _receive(self, front: socket.socket, limit: int) -> bytes:
        data = await self._loop.sock_recv(front, limit)
        if not data:
            raise BadHeader("it ends before its header does")
        return data

    async def _socket(self) -> socket.socket:
        """A socket to connect with; where no descriptor is left, once one is.

        Nobody is accepted meanwhile. Those who wait hold one each, so they do not wait for ever.
        """
        end = self._loop.time() + PATIENCE
        while True:
            try:
                return socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            except OSError as error:
                if error.errno not in _FULL or self._loop.time() >= end:
                    raise
            self._pause()
            await asyncio.sleep(_PAUSE)

    @contextlib.contextmanager
    def _connection(self, back: socket.socket, client: Address) -> Iterator[socket.socket]:
        """`back`, bound to be told by; while it is open, what it says is `client`'s."""
        with back:
            back.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back.bind((next(self._places), 0))
            place: Address = back.getsockname()
            self.clients[place] = client
            try:
                yield back
            finally:
                del self.clients[place]

    async def _both_ways(self, line: Line, back: socket.socket) -> None:
        """Until the HTTP server has hung up. A client that hangs up tells it so."""
        inward = self._loop.create_task(self._pass(line.front, back, line))
        try:
            await self._pass(back, line.front, line)
            await asyncio.wait([inward], timeout=LINGER)
        finally:
            inward.cancel()
            await asyncio.gather(inward, return_exceptions=True)

    async def _pass(self, giver: socket.socket, taker: socket.socket, line: Line) -> None:
        """Pass bytes on as fast as they are taken, and then the end of them."""
        with contextlib.suppress(OSError):
            while data := await self._loop.sock_recv(giver, _CHUNK):
                line.speak()
                await self._loop.sock_sendall(taker, data)
                line.speak()
        with contextlib.suppress(OSError):
            taker.shutdown(socket.SHUT_WR)


def _inner() -> socket.socket:
    """A listening socket on loopback."""
    inner = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    inner.bind(("127.0.0.1", 0))
    inner.listen(BACKLOG)
    return inner


def _places() -> Iterator[str]:
    """Loopback's addresses by turns: with a port, none comes again for a very long time.

    A request may be read after its connection has gone; it must not find another's client then.
    """
    for number in count():
        yield str(ipaddress.IPv4Address(_LOOPBACK + 1 + number % _PLACES))
