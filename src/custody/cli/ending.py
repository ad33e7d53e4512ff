"""Ends, from another thread, what is read from a server for as long as it speaks."""

import contextlib
import socket


class Ending:
    """Hangs up on the connection that it is shown, now or as soon as there is one."""

    def __init__(self) -> None:
        self.ended = False
        self._line: socket.socket | None = None

    def of(self, line: socket.socket) -> None:
        """Say which connection is read from."""
        self._line = line
        if self.ended:
            _hang_up(line)

    def end(self) -> None:
        """Hang up: whoever reads finds the end."""
        self.ended = True
        if self._line is not None:
            _hang_up(self._line)


def _hang_up(line: socket.socket) -> None:
    # Not the method of a TLS socket, which takes away what the other thread reads by.
    with contextlib.suppress(OSError):  # it is closed already
        socket.socket.shutdown(line, socket.SHUT_RDWR)
