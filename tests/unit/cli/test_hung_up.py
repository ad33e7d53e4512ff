"""A server that hangs up before it says anything: reads are asked once more, writes never."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

CLI = Callable[..., tuple[int, str, str]]
_BODY = b'{"data": {"seen": "twice"}}'
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(_BODY) + _BODY


class Silent:
    """Ends the first connections at once, in one way or another, and answers on the next."""

    def __init__(self) -> None:
        self.hang_ups = 1
        self.reset = False
        self.said = b""  # before it hangs up
        self.methods: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            with link:
                self.answer(link)

    def answer(self, link: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += link.recv(4096)
        self.methods.append(head.split()[0].decode())
        if len(self.methods) > self.hang_ups:
            link.sendall(_ANSWER)
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
    silent.said = _ANSWER[:-5]
    code, _, _ = cli("read", "secret/a", env={"CUSTODY_ADDR": silent.address})
    assert (code, silent.methods) == (2, ["GET"])
