"""The supervisor's side line to the custodian: packets, some with a descriptor.

The supervisor passes each member's end of a socketpair on and keeps neither end, so no key can
pass through it.
"""

import os
import socket

import msgspec

Line = socket.socket
_MAX = 1024
_MAX_ENDS = 4


class Attach(msgspec.Struct, frozen=True, tag="attach"):
    """Supervisor to custodian, with one descriptor: a member's end."""


class Shut(msgspec.Struct, frozen=True, tag="shut"):
    """Custodian to supervisor: somebody seals the node. What is started does not open by itself.

    Said before any key is dropped: however the custodian ends from here on, this is known.
    """


class SealAll(msgspec.Struct, frozen=True, tag="seal_all"):
    """Custodian to supervisor: keys are dropped, end every process and start sealed ones."""


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """Custodian to supervisor: the node is open, and may open by itself when it must again."""


class Restart(msgspec.Struct, frozen=True, tag="restart"):
    """Custodian to supervisor: the store was replaced, start the members anew."""


class SetLevel(msgspec.Struct, frozen=True, tag="set_level"):
    """Custodian to supervisor: log at this level; `logger` empty is all, `level` as configured."""

    logger: str
    level: str


Message = SetLevel | Attach | Shut | SealAll | Opened | Restart
_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a control line."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(line: socket.socket, message: Message, *ends: socket.socket) -> None:
    """Send a message and copies of `ends`. Raises OSError when the other side is gone."""
    data = msgspec.json.encode(message)
    socket.send_fds(line, [data], [end.fileno() for end in ends])


def receive(line: socket.socket) -> tuple[Message | None, list[socket.socket]]:
    """The next message and what came with it; None once the other side has hung up."""
    try:
        data, fds, _, _ = socket.recv_fds(line, _MAX, _MAX_ENDS)
    except ConnectionError:
        return None, []
    for fd in fds:
        os.set_inheritable(fd, False)  # noqa: FBT003 - positional only
    ends = [socket.socket(fileno=fd) for fd in fds]
    return (_decoder.decode(data) if data else None), ends
