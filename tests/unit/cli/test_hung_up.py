"""A server that hangs up before it says anything: reads are asked once more, writes never."""

import socket
import struct
from collections.abc import Callable, Iterator

import pytest
from tests.unit.cli.accepting import Accepting, found, head_of

CLI = Callable[..., tuple[int, str, str]]
_BODY = b'{"data": {"seen": "twice"}}'


class Silent(Accepting):
    """Ends the first connections at once, in one way or another, and answers on the next."""

    def __init__(self) -> None:
        self.hang_ups = 1
        self.reset = False
        self.said = b""  # before it hangs up
        self.methods: list[str] = []
        super().__init__()
        self.address = f"http://127.0.0.1:{self.port}"

    def answer(self, link: socket.socket) -> None:
        self.methods.append(head_of(link).split()[0].decode())
        if len(self.methods) > self.hang_ups:
            link.sendall(found(_BODY))
            return
        link.sendall(self.said)
        if self.reset:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.fixture
def silent() -> Iterator[Silent]:
    server = Silent()
    yield server
    server.listener.close()


@pytest.mark.parametrize("reset", [False, True])
def test_a_read_is_asked_once_more(cli: CLI, silent: Silent, *, reset: bool) -> None:
    silent.reset = reset
    code, out, _ = cli("read", "-field=seen", "secret/a", env={"CUSTODY_ADDR": silent.address})
    assert (code, out, silent.methods) == (0, "twice", ["GET", "GET"])


def test_and_not_twice_more(cli: CLI, silent: Silent) -> None:
    silent.hang_ups = 2
    code, _, err = cli("read", "secret/a", env={"CUSTODY_ADDR": silent.address})
    assert (code, silent.methods) == (2, ["GET", "GET"])
    assert "it closed the connection" in err


def test_a_write_is_never_sent_again(cli: CLI, silent: Silent) -> None:
    code, _, _ = cli("write", "secret/a", "a=b", env={"CUSTODY_ADDR": silent.address})
    assert (code, silent.methods) == (2, ["PUT"])


def test_nor_is_a_read_that_was_answered_in_part(cli: CLI, silent: Silent) -> None:
    silent.said = found(_BODY)[:-5]
    code, _, _ = cli("read", "secret/a", env={"CUSTODY_ADDR": silent.address})
    assert (code, silent.methods) == (2, ["GET"])
