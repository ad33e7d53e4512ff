"""The file of a Unix socket: whose it is, when it is taken over, and that it goes."""

import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from custody.serve.listeners import Sockets
from custody.serve.settings import Listener, SocketFile
from custody.serve.socket_file import Bound


@pytest.fixture
def path() -> Iterator[Path]:
    """A short one: there is a limit."""
    with tempfile.TemporaryDirectory(prefix="custody-") as made:
        yield Path(made) / "s"


def bound(path: Path, mode: int = 0o600) -> Bound:
    return Bound(SocketFile(str(path), mode, os.getuid(), os.getgid()), 8)


def connect(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(path))


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o777])
def test_who_may_connect_is_what_the_mode_says(path: Path, mode: int) -> None:
    made = bound(path, mode)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    connect(path)
    made.close()
    assert not path.exists()


def test_what_nobody_serves_any_more_is_taken_over(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as killed:
        killed.bind(str(path))
    made = bound(path)
    connect(path)
    made.close()


def test_what_somebody_serves_is_refused_and_left_alone(path: Path) -> None:
    first = bound(path)
    with pytest.raises(OSError, match="Address already in use"):
        bound(path)
    connect(path)
    first.close()


def test_what_is_served_and_full_is_refused_too(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as busy:
        busy.bind(str(path))
        busy.listen(0)
        clients = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(3)]
        for client in clients:
            client.settimeout(0)
            client.connect_ex(str(path))
        with pytest.raises(OSError, match="Address already in use"):
            bound(path)
        for client in clients:
            client.close()


def test_a_file_that_is_no_socket_is_left_alone(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(OSError, match="no socket"):
        bound(path)
    assert path.read_text() == "precious"


def test_the_file_of_another_is_not_removed(path: Path) -> None:
    first = bound(path)
    path.unlink()
    second = bound(path)
    first.close()
    connect(path)
    second.close()
    assert not path.exists()


def test_all_workers_share_one_socket_and_a_second_node_is_told_where(path: Path) -> None:
    listener = Listener("", 0, file=SocketFile(str(path)))
    sockets = Sockets([listener])
    descriptors = [sockets.of(slot)[0] for slot in (2, 3)]
    sockets.give_up(2)
    connect(path)
    with socket.socket(fileno=os.dup(descriptors[1])) as listening:
        taken, _ = listening.accept()
        taken.close()
    with pytest.raises(OSError, match=f"cannot listen on {path}: Address already in use"):
        Sockets([listener])
    sockets.close()
    assert not path.exists()


def test_a_node_that_cannot_have_all_its_addresses_leaves_no_file(path: Path) -> None:
    listeners = [
        Listener("", 0, file=SocketFile(str(path))),
        Listener("", 0, file=SocketFile(str(path.parent / "nowhere" / "s"))),
    ]
    with pytest.raises(OSError, match=r"cannot listen on .*nowhere/s: No such file"):
        Sockets(listeners)
    assert not path.exists()
