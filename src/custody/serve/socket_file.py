"""The file of a Unix socket: made for whom it is for, taken over where nobody serves it, removed.

A server that was killed leaves its file behind: where nobody answers there, the next one takes its
place. One that somebody serves is left alone, and so is a file that is no socket.
"""

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path

from custody.serve.settings import SocketFile


class Bound:
    """A listening socket at a path, which workers share: no second one can be bound there."""

    _identity: tuple[int, int] | None = None  # of the file, once it is made

    def __init__(self, file: SocketFile, backlog: int) -> None:
        """Raises OSError."""
        self._path = Path(file.path)
        _make_room(self._path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.bind(file.path)
            self._identity = self._found()
            # Nobody can connect before it listens, so nobody does who may not.
            os.chown(file.path, file.owner, file.group)
            self._path.chmod(file.mode)
            self._socket.listen(backlog)
            self._socket.settimeout(0)
        except OSError:
            self.close()
            raise

    def share(self) -> socket.socket:
        """Another descriptor of it."""
        return self._socket.dup()

    def close(self) -> None:
        """Stop listening, and remove the file unless it is another's by now."""
        if self._identity is not None and self._found() == self._identity:
            with contextlib.suppress(OSError):
                self._path.unlink()
        self._socket.close()

    def _found(self) -> tuple[int, int] | None:
        try:
            found = self._path.lstat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def _make_room(path: Path) -> None:
    """Remove a socket that nobody serves. Raises OSError where something else is there."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "there is a file that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(0)
        try:
            asking.connect(str(path))
        except ConnectionRefusedError:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            return
        except BlockingIOError:
            pass  # somebody listens, and has much to do
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
