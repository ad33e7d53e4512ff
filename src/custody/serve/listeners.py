"""Listening: binding an address once in the supervisor, serving it in every worker.

Each worker has a listening socket of its own at each address, and the kernel deals the connections
out. Measured: of 64 connections that came at once to a socket that two workers shared, one worker
took 52, now and then all; the other had nothing to do.

The first socket of an address is bound alone, so that a second server there is refused; the others
join it, which the kernel allows to the same user only. A Unix socket is one for all workers: there
the kernel knows no other way.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings, HTTP2Settings
from granian.server.embed import Server

from custody.serve import certificate
from custody.serve.settings import Listener, SocketFile
from custody.serve.socket_file import Bound

BACKLOG = 4096
CONNECTIONS = 65_536  # per worker, as far as the limit of open files allows
SPARE_FILES = 512  # descriptors that are not connections
KIB = 1024
HEADER_BYTES = 64 * KIB
STREAMS = 128  # concurrent requests of one HTTP/2 connection
H2_WINDOW = 1024 * KIB
H2_PING = 60_000  # milliseconds after which a silent HTTP/2 connection is asked whether it lives
_MILLISECONDS = 1000


class BadListener(Exception):
    """A listener's certificate or key cannot be used."""


App = Callable[..., Any]


def bind(listener: Listener, beside: tuple[str, int] | None = None) -> socket.socket:
    """A listening socket of an address: the first one, or one `beside` another of ours there.

    Raises OSError that names the address.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            listener.host, listener.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if beside is None:
                listening.bind(address)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if beside is not None:
                listening.bind(beside)
            listening.listen(BACKLOG)
            listening.settimeout(0)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        raise OSError(
            error.errno, f"cannot listen on {listener.address}: {error.strerror}"
        ) from error
    return listening


def bind_file(file: SocketFile) -> Bound:
    """The listening socket of a path. Raises OSError that names it."""
    try:
        return Bound(file, BACKLOG)
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {file.path}: {error.strerror}") from error


class Sockets:
    """The listening sockets of a node's workers, held by the supervisor while workers come and go.

    Who connects while a worker is started anew waits in its socket for the next one.
    """

    def __init__(self, listeners: Sequence[Listener]) -> None:
        """Binds the addresses. Raises OSError."""
        self._listeners = listeners
        self._held: dict[int, list[socket.socket]] = {}
        self._files: dict[str, Bound] = {}
        self._first: list[socket.socket] = []  # of the first worker that asks
        try:
            for listener in listeners:
                if listener.file is not None:
                    self._files[listener.file.path] = bind_file(listener.file)
                self._first.append(self._bind(listener))
        except OSError:
            self.close()
            raise
        self.addresses = [one.getsockname() for one in self._first]

    def of(self, slot: int) -> list[int]:
        """The descriptors of the worker in that slot, in the order of the listeners.

        Raises OSError.
        """
        held = self._held.get(slot)
        if held is None:
            held = self._held[slot] = self._new() if self._held else self._first
        return [one.fileno() for one in held]

    def give_up(self, slot: int) -> None:
        """Nobody will serve that slot's for a while: the other workers get who connects now.

        Does nothing where no other is held: the addresses stay ours.
        """
        if slot in self._held and len(self._held) > 1:
            for one in self._held.pop(slot):
                one.close()

    def close(self) -> None:
        """Give up all, and the addresses."""
        for held in [self._first, *self._held.values()]:
            for one in held:
                one.close()
        for file in self._files.values():
            file.close()

    def _new(self) -> list[socket.socket]:
        made: list[socket.socket] = []
        try:
            for listener, address in zip(self._listeners, self.addresses, strict=True):
                made.append(self._bind(listener, address))
        except OSError:
            for one in made:
                one.close()
            raise
        return made

    def _bind(self, listener: Listener, beside: tuple[str, int] | None = None) -> socket.socket:
        if listener.file is not None:
            return self._files[listener.file.path].share()
        return bind(listener, beside)


class _OnSocket(Server):
    """Granian's embedded server on a socket that is listening already."""

    def __init__(self, fd: int, app: App, *, unix: bool, **options: Any) -> None:
        super().__init__(app, **options)
        self._listening = fd
        self._unix = unix

    def _init_shared_socket(self) -> None:
        holder: Any = SocketHolder  # its stub leaves the constructor out
        self._shd = holder(self._listening, self._unix, BACKLOG)


def _deaf() -> socket.socket:
    """A listening socket that nobody finds."""
    deaf = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    deaf.bind("")  # Linux chooses an abstract name
    deaf.listen(0)
    deaf.settimeout(0)
    return deaf


class Serving:
    """An application served on one inherited socket."""

    def __init__(self, listener: Listener, fd: int, app: App, connections: int) -> None:
        """Must be made in a running event loop. Raises BadListener."""
        if listener.tls is not None:
            try:
                certificate.check(listener.tls)
            except certificate.BadCertificate as error:
                raise BadListener(f"the certificate of {listener.address}: {error}") from error
        self._fd = os.dup(fd)  # the server's, which closes it
        try:
            self._server = _server(listener, self._fd, app, connections)
        except OSError as error:  # ssl.SSLError is one
            os.close(self._fd)
            raise BadListener(f"the certificate of {listener.address}: {error}") from error
        self.task = asyncio.create_task(self._server.serve())

    def accept_nobody(self) -> None:
        """Accept no connection any more, and go on serving those that there are.

        The server has no call for that. Its descriptor is made to mean a socket that nobody
        connects to: what it accepts from is then always empty. Must not be called twice.
        """
        with _deaf() as deaf:
            os.dup2(deaf.fileno(), self._fd, inheritable=False)

    async def stop(self) -> None:
        """Stop accepting, let requests in flight finish, and end."""
        self._server.stop()  # type: ignore[no-untyped-call]  # it has no types
        await self.task


def port_of(listening: int) -> int | None:
    """The port of a listening descriptor; None of a Unix socket."""
    with socket.socket(fileno=os.dup(listening)) as duplicate:
        if duplicate.family == socket.AF_UNIX:
            return None
        port: int = duplicate.getsockname()[1]
        return port


def _server(listener: Listener, fd: int, app: App, connections: int) -> _OnSocket:
    return _OnSocket(
        fd,
        app,
        unix=listener.file is not None,
        interface=Interfaces.ASGINL,
        http=HTTPModes.auto,
        websockets=False,
        backlog=BACKLOG,
        backpressure=connections,
        http1_settings=HTTP1Settings(
            header_read_timeout=int(listener.header_timeout * _MILLISECONDS),
            max_buffer_size=HEADER_BYTES,
        ),
        http2_settings=HTTP2Settings(
            initial_connection_window_size=H2_WINDOW,
            initial_stream_window_size=H2_WINDOW,
            keep_alive_interval=H2_PING,
            max_concurrent_streams=STREAMS,
            max_headers_size=HEADER_BYTES,
        ),
        log_enabled=False,
        **_tls(listener),
    )


def connection_limit(files: int, listeners: int = 1) -> int:
    """How many connections each listener takes in a worker that may open so many files.

    All its listeners full must leave files to spare. `idle.keep_room` keeps them from filling.
    """
    return max(1, min(CONNECTIONS, (files - SPARE_FILES) // max(1, listeners)))


def _tls(listener: Listener) -> dict[str, Any]:
    if listener.tls is None:
        return {}
    versions = {"tls12": SSLProtocols.tls12, "tls13": SSLProtocols.tls13}
    return {
        "ssl_cert": Path(listener.tls.cert_file),
        "ssl_key": Path(listener.tls.key_file),
        "ssl_protocol_min": versions[listener.tls.min_version],
        "ssl_ca": Path(listener.tls.client_ca_file) if listener.tls.client_ca_file else None,
        "ssl_client_verify": bool(listener.tls.client_ca_file),
    }
