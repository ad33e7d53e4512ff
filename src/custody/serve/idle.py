"""Keeps a worker reachable when idle connections fill it: the idlest of them are hung up on.

The HTTP server takes so many connections and no more, however little they say. Without this,
clients that connect and stay silent would lock all others out until their timeouts.
"""

import asyncio
import errno
import logging
import os
import socket
import stat
import struct
from collections.abc import Callable, Mapping
from typing import NamedTuple

INTERVAL = 0.1  # seconds between looks
FULL = 7 / 8  # of the limit: from here on room is made
KEPT = 1 / 2  # of the limit: so many stay
_DESCRIPTORS = "/proc/self/fd"
_LAST_SENT, _LAST_RECEIVED = 44, 52  # offsets in struct tcp_info (linux/tcp.h), 32-bit ms
_TCP_INFO_BYTES = 56
_log = logging.getLogger(__name__)


Costs = Mapping[int, int]  # by local port, the descriptors that a connection to it holds


async def keep_room(costs: Callable[[], Costs], limit: int) -> None:
    """Run until cancelled. `costs` are those of all listeners, `limit` the most descriptors.

    Counts every descriptor of the process: a few files and sockets of its own do not matter.
    """
    while True:
        await asyncio.sleep(INTERVAL)
        if descriptors() < limit * FULL:
            continue
        try:
            await asyncio.to_thread(hang_up, costs(), int(limit * KEPT))
        except OSError as error:  # no descriptor is left to look with: others must go first
            _log.warning("cannot hang up on idle connections: %s", error.strerror)


def descriptors() -> int:
    """How many descriptors this process has open."""
    # Linux tells the number as the directory's size since 6.2; older kernels say 0.
    return os.stat(_DESCRIPTORS).st_size or len(os.listdir(_DESCRIPTORS))  # noqa: PTH116, PTH208 no path is built


def hang_up(costs: Costs, keep: int) -> int:
    """Shut connections to these ports, the idlest first, until the rest hold `keep` descriptors.

    How many went.
    """
    return sum(shut(idle) for idle in idlest(costs, keep))


class Idle(NamedTuple):
    """A connection: milliseconds since bytes last passed, the descriptors that it holds, one of
    them, and its identity, which no other connection has while that one is used again."""

    milliseconds: int
    cost: int
    descriptor: int
    inode: int


def idlest(costs: Costs, keep: int) -> list[Idle]:
    """Connections to these ports but for the busiest, which hold `keep` descriptors."""
    numbers = os.listdir(_DESCRIPTORS)  # noqa: PTH208 names are numbers here, not paths
    found = sorted(idle for name in numbers if (idle := _inspect(int(name), costs)) is not None)
    held = 0
    for stay, idle in enumerate(found):
        held += idle.cost
        if held > keep:
            return found[stay:]
    return []


def _inspect(descriptor: int, costs: Costs) -> Idle | None:
    """How idle it is, None where it is no connection to one of these ports.

    Works on a duplicate: the number may be used for another connection at any time.
    """
    connection = _duplicate(descriptor)
    if connection is None:
        return None
    with connection:
        try:
            if not connection.getpeername():
                return None
            if connection.family == socket.AF_UNIX:
                return None
            cost = costs.get(connection.getsockname()[1])
            if cost is None:
                return None
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        except OSError as error:
            if error.errno not in _NO_CONNECTION:
                raise
            return None
        inode = os.fstat(connection.fileno()).st_ino
    (sent,) = struct.unpack_from("I", info, _LAST_SENT)
    (received,) = struct.unpack_from("I", info, _LAST_RECEIVED)
    return Idle(int(min(sent, received)), cost, descriptor, inode)


def shut(idle: Idle) -> bool:
    """Shut it, and say so, unless it has gone: another may have its number by now."""
    connection = _duplicate(idle.descriptor)
    if connection is None:
        return False
    with connection:
        if os.fstat(connection.fileno()).st_ino != idle.inode:
            return False
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            if error.errno not in _NO_CONNECTION:
                raise
            return False
    return True


def _duplicate(descriptor: int) -> socket.socket | None:
    """The socket behind a descriptor; None where there is none.

    Only of sockets: closing any descriptor of a file gives up the process's locks on it, and by
    one of these the store knows that its readers live.
    """
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return None
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
