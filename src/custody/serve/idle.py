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
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from operator import attrgetter
from typing import NamedTuple, Protocol

INTERVAL = 0.1  # seconds between looks
FULL = 7 / 8  # of the limit: from here on room is made
KEPT = 1 / 2  # of the limit: so many stay
_DESCRIPTORS = "/proc/self/fd"
_LAST_SENT, _LAST_RECEIVED = 44, 52  # offsets in struct tcp_info (linux/tcp.h), 32-bit ms
_TCP_INFO_BYTES = 56
_MILLISECONDS = 1000
_log = logging.getLogger(__name__)


class Held(Protocol):
    """A connection: seconds since bytes last passed, and the descriptors that it holds."""

    @property
    def idle(self) -> float: ...

    @property
    def cost(self) -> int: ...

    def hang_up(self) -> bool:
        """Hang up, from any thread, and say so; False where it has gone."""
        ...


async def keep_room(
    ports: Callable[[], AbstractSet[int]], limit: int, others: Callable[[], Sequence[Held]] = tuple
) -> None:
    """Run until cancelled. `ports` are the local ones of connections that only the kernel knows,
    `others` the connections that somebody here knows; `limit` is the most descriptors.

    Counts every descriptor of the process: a few files and sockets of its own do not matter.
    """
    while True:
        await asyncio.sleep(INTERVAL)
        if descriptors() < limit * FULL:
            continue
        try:
            await asyncio.to_thread(hang_up, ports(), int(limit * KEPT), others())
        except OSError as error:  # no descriptor is left to look with: others must go first
            _log.warning("cannot hang up on idle connections: %s", error.strerror)


def descriptors() -> int:
    """How many descriptors this process has open."""
    # Linux tells the number as the directory's size since 6.2; older kernels say 0.
    return os.stat(_DESCRIPTORS).st_size or len(os.listdir(_DESCRIPTORS))  # noqa: PTH116, PTH208 no path is built


def hang_up(ports: AbstractSet[int], keep: int, others: Sequence[Held] = ()) -> int:
    """Hang up on connections, the idlest first, until the rest hold `keep` descriptors.

    How many went.
    """
    return sum(one.hang_up() for one in idlest(ports, keep, others))


def idlest(ports: AbstractSet[int], keep: int, others: Sequence[Held] = ()) -> list[Held]:
    """Connections to these ports and others but for the busiest, which hold `keep` descriptors."""
    numbers = os.listdir(_DESCRIPTORS)  # noqa: PTH208 names are numbers here, not paths
    found: list[Held] = list(others)
    found += [known for name in numbers if (known := _inspect(int(name), ports)) is not None]
    found.sort(key=attrgetter("idle"))
    held = 0
    for stay, one in enumerate(found):
        held += one.cost
        if held > keep:
            return found[stay:]
    return []


class Known(NamedTuple):
    """A connection that only the kernel knows, by one of its descriptors, and by its identity:
    no other connection has that while the descriptor is used again."""

    idle: float
    cost: int
    descriptor: int
    inode: int

    def hang_up(self) -> bool:
        """Shut it, and say so, unless it has gone: another may have its number by now."""
        connection = _duplicate(self.descriptor)
        if connection is None:
            return False
        with connection:
            if os.fstat(connection.fileno()).st_ino != self.inode:
                return False
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError as error:
                if error.errno not in _NO_CONNECTION:
                    raise
                return False
        return True


def _inspect(descriptor: int, ports: AbstractSet[int]) -> Known | None:
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
            if connection.getsockname()[1] not in ports:
                return None
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        except OSError as error:
            if error.errno not in _NO_CONNECTION:
                raise
            return None
        inode = os.fstat(connection.fileno()).st_ino
    (sent,) = struct.unpack_from("I", info, _LAST_SENT)
    (received,) = struct.unpack_from("I", info, _LAST_RECEIVED)
    return Known(min(sent, received) / _MILLISECONDS, 1, descriptor, inode)


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
