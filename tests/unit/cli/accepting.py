"""A server of which a test says what it does with each connection."""

import socket
import threading
from abc import ABC, abstractmethod


class Accepting(ABC):
    """Takes connections one after another, each in `answer`, until its listener is closed."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            with link:
                self.answer(link)

    @abstractmethod
    def answer(self, link: socket.socket) -> None:
        """What is done with a connection, which is closed then."""


def head_of(link: socket.socket) -> bytes:
    """The request up to its body."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += link.recv(4096)
    return head


def found(body: bytes) -> bytes:
    """A whole answer."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
