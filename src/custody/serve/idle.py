"""Keeps a worker reachable when idle connections fill it: the idlest of them are hung up on.

The HTTP server takes so many connections and no more, however little they say. Without this,
clients that connect and stay silent would lock all others out until their timeouts.
"""

import asyncio
import errno
import logging
import os
import socket
import struct
from collections.abc import Iterable

INTERVAL = 0.1  # seconds between looks
FULL = 7 / 8  # of the limit: from here on room is made
KEPT = 1 / 2  # of the limit: so many stay
_DESCRIPTORS = "/proc/self/fd"
_LAST_SENT, _LAST_RECEIVED = 44, 52  # offsets in struct tcp_info (linux/tcp.h), 32-bit ms
_TCP_INFO_BYTES = 56
_log = logging.getLogger(__name__)


async def keep_room(listeners: Iterable[int], limit: int) -> None:
    """Run until cancelled. `listeners` are the listening descriptors, `limit` the most connections.

    Counts every descriptor of the process: a few files and sockets of its own do not matter.
    """
    ports = frozenset(_port(listener) for listener in listeners)
    while True:
        await asyncio.sleep(INTERVAL)
        if descriptors() < limit * FULL:
            continue
        try:
            await asyncio.to_thread(hang_up, ports, int(limit * KEPT))
        except OSError as error:  # no descriptor is left to look with: others must go first
            _log.warning("cannot hang up on idle connections: %s", error.strerror)


def descriptors() -> int:
    """How many descriptors this process has open."""
    # Linux tells the number as the directory's size since 6.2; older kernels say 0.
    return os.stat(_DESCRIPTORS).st_size or len(os.listdir(_DESCRIPTORS))  # noqa: PTH116, PTH208 no path is built


def hang_up(ports: frozenset[int], keep: int) -> int:
    """Shut all but `keep` connections to these local ports, the idlest first; how many went."""
    idle: list[tuple[int, int]] = []  # milliseconds, descriptor
    for name in os.listdir(_DESCRIPTORS):  # noqa: PTH208 names are numbers here, not paths
        milliseconds = _inspect(int(name), ports)
        if milliseconds is not None:
            idle.append((milliseconds, int(name)))
    idle.sort(reverse=True)
    surplus = idle[: max(0, len(idle) - keep)]
    for _, descriptor in surplus:
        _inspect(descriptor, ports, shut=True)
    return len(surplus)


def _inspect(descriptor: int, ports: frozenset[int], *, shut: bool = False) -> int | None:
    """Milliseconds since bytes last passed, None where it is no connection to one of `ports`.

    Works on a duplicate, so that a number used again meanwhile is looked at as what it is now.
    """
    connection = _duplicate(descriptor)
    if connection is None:
        return None
    with connection:
        try:
            if connection.getpeername() and connection.getsockname()[1] not in ports:
                return None
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
            if shut:
                connection.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            if error.errno not in _NO_CONNECTION:
                raise
            return None
    (sent,) = struct.unpack_from("I", info, _LAST_SENT)
    (received,) = struct.unpack_from("I", info, _LAST_RECEIVED)
    return int(min(sent, received))


def _duplicate(descriptor: int) -> socket.socket | None:
    """The socket behind a descriptor; None where there is none."""
    try:
        duplicate = os.dup(descriptor)
    except OSError as error:
        if error.errno != errno.EBADF:  # closed meanwhile
            raise
        return None
    try:
        return socket.socket(fileno=duplicate)
    except OSError:
        os.close(duplicate)
        return None


_NO_CONNECTION = {errno.ENOTCONN, errno.EOPNOTSUPP, errno.ENOPROTOOPT, errno.EINVAL}


def _port(listener: int) -> int:
    with socket.socket(fileno=os.dup(listener)) as duplicate:
        port: int = duplicate.getsockname()[1]
        return port
