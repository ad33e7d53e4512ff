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
import time
from collections.abc import Callable, Container, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import NamedTuple

INTERVAL = 0.1  # seconds between looks
FULL = 7 / 8  # of the limit: from here on room is made
KEPT = 1 / 2  # of the limit: so many stay
_DESCRIPTORS = "/proc/self/fd"
_LAST_SENT, _LAST_RECEIVED = 44, 52  # offsets in struct tcp_info (linux/tcp.h), 32-bit ms
_TCP_INFO_BYTES = 56
_TICK = 0.01  # seconds: the longest that kernels have, and they count in whole ones
# By local port, the peers whose connections somebody here knows better.
Ports = Mapping[int, Container[tuple[str, int]]]
_log = logging.getLogger(__name__)


class Held(NamedTuple):
    """A connection."""

    since: float  # monotonic seconds: no bytes have passed from then on
    cost: int  # descriptors
    hang_up: Callable[[], bool]  # from any thread; False where it has gone


def nobody() -> Sequence[Held]:
    """No connections."""
    return ()


async def keep_room(
    ports: Callable[[], Ports], limit: int, others: Callable[[], Sequence[Held]] = nobody
) -> None:
    """Run until cancelled. `ports` are the listeners' own, `others`, which is called in a thread,
    the connections that somebody here knows; `limit` is the most descriptors.

    Counts every descriptor of the process: a few files and sockets of its own do not matter.
    """
    while True:
        await asyncio.sleep(INTERVAL)
        if descriptors() < limit * FULL:
            continue
        try:
            await asyncio.to_thread(hang_up, ports(), int(limit * KEPT), others)
        except OSError as error:  # no descriptor is left to look with: others must go first
            _log.warning("cannot hang up on idle connections: %s", error.strerror)


def descriptors() -> int:
    """How many descriptors this process has open."""
    # Linux tells the number as the directory's size since 6.2; older kernels say 0.
    return os.stat(_DESCRIPTORS).st_size or len(os.listdir(_DESCRIPTORS))  # noqa: PTH116, PTH208 no path is built


def hang_up(ports: Ports, keep: int, others: Callable[[], Sequence[Held]] = nobody) -> int:
    """Hang up on connections, the idlest first, until the rest hold `keep` descriptors.

    How many went.
    """
    return sum(one.hang_up() for one in idlest(ports, keep, others))


def idlest(
    ports: Ports, keep: int, others: Callable[[], Sequence[Held]] = nobody
) -> Sequence[Held]:
    """Connections to these ports and others but for the busiest, which hold `keep` descriptors."""
    numbers = os.listdir(_DESCRIPTORS)  # noqa: PTH208 names are numbers here, not paths
    found = [known for name in numbers if (known := _inspect(int(name), ports)) is not None]
    found += others()
    found.sort(key=attrgetter("since"), reverse=True)
    held = 0
    for stay, one in enumerate(found):
        held += one.cost
        if held > keep:
            return found[stay:]
    return ()


def last_bytes(connection: socket.socket) -> float:
    """Since when no bytes have passed on a TCP connection, as far as the kernel knows: monotonic
    seconds, which may be two ticks earlier than they did, and are never later.

    Raises OSError.
    """
    now = time.monotonic()  # first: this thread may have to wait behind any of these lines
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    (sent,) = struct.unpack_from("I", info, _LAST_SENT)
    (received,) = struct.unpack_from("I", info, _LAST_RECEIVED)
    milliseconds: int = min(sent, received)
    return now - milliseconds / 1000 - _TICK


def _inspect(descriptor: int, ports: Ports) -> Held | None:
    """It, None where it is no connection to one of these ports, or one that others know.

    Works on a duplicate: the number may be used for another connection at any time.
    """
    connection = _duplicate(descriptor)
    if connection is None:
        return None
    with connection:
        try:
            peer = connection.getpeername()
            if not peer or connection.family == socket.AF_UNIX:
                return None
            known = ports.get(connection.getsockname()[1])
            if known is None or peer[:2] in known:
                return None
            since = last_bytes(connection)
        except OSError as error:
            if error.errno not in _NO_CONNECTION:
                raise
            return None
        inode = os.fstat(connection.fileno()).st_ino
    return Held(since, 1, partial(shut, descriptor, inode))


def shut(descriptor: int, inode: int) -> bool:
    """Shut a connection, and say so, unless it has gone: another may have its number by now, but
    no other has its identity."""
    connection = _duplicate(descriptor)
    if connection is None:
        return False
    with connection:
        if os.fstat(connection.fileno()).st_ino != inode:
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
