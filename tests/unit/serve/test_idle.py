import asyncio
import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from subprocess import DEVNULL

import pytest

from custody.serve.idle import Held, descriptors, hang_up, idlest, keep_room, last_bytes, shut
from custody.serve.listeners import CONNECTIONS, SPARE_FILES, connection_limit

_TAKE = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)"


class Line:
    """A listening socket and connections to it, oldest first: (client's end, server's end)."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.ends: list[tuple[socket.socket, socket.socket]] = []

    def connect(self, count: int) -> None:
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", self.port), timeout=5)
            self.ends.append((client, self.listener.accept()[0]))

    def alive(self) -> list[bool]:
        """Which connections were not hung up on."""
        return [_alive(client) for client, _ in self.ends]

    def close(self) -> None:
        self.listener.close()
        for pair in self.ends:
            for end in pair:
                end.close()


def _alive(client: socket.socket) -> bool:
    client.setblocking(False)  # noqa: FBT003 positional only
    try:
        return client.recv(1) != b""
    except BlockingIOError:
        return True


@pytest.fixture
def line() -> Iterator[Line]:
    one = Line()
    yield one
    one.close()


def test_so_many_stay_and_the_others_are_hung_up_on(line: Line) -> None:
    line.connect(10)
    before = descriptors()
    assert hang_up({line.port: ()}, 4) == 6
    assert sum(line.alive()) == 4
    assert descriptors() == before


def test_a_connection_that_took_the_place_of_an_idle_one_stays(line: Line) -> None:
    line.connect(4)
    found = [(end.fileno(), os.fstat(end.fileno()).st_ino) for _, end in line.ends]
    for end in (end for pair in line.ends for end in pair):
        end.close()
    line.ends.clear()
    line.connect(4)
    assert {number for number, _ in found} & {server.fileno() for _, server in line.ends}
    assert not any(shut(*one) for one in found)
    assert all(line.alive())
    now = line.ends[0][1].fileno()
    assert shut(now, os.fstat(now).st_ino)
    assert line.alive() == [False, True, True, True]


def test_who_spoke_last_stays(line: Line) -> None:
    line.connect(5)
    # The kernel counts idle time in ticks of some milliseconds.
    threading.Event().wait(0.05)
    line.ends[1][0].sendall(b"x")
    line.ends[3][1].sendall(b"y")
    line.ends[1][1].recv(1)
    assert hang_up({line.port: ()}, 2) == 3
    assert line.alive() == [False, True, False, True, False]


def others(*since: float) -> tuple[Callable[[], list[Held]], list[float]]:
    """Connections that somebody here knows, and since when those were silent that went."""
    gone: list[float] = []

    def hang_up_on(one: float) -> bool:
        gone.append(one)
        return True

    return lambda: [Held(one, 3, partial(hang_up_on, one)) for one in since], gone


def test_a_connection_that_holds_more_descriptors_counts_for_more() -> None:
    known, gone = others(1.0, 4.0, 2.0, 5.0, 3.0)
    assert hang_up({}, 10, known) == 2
    assert gone == [2.0, 1.0]


def test_of_all_kinds_of_connections_the_idlest_go(line: Line) -> None:
    line.connect(4)
    now = time.monotonic()
    known, gone = others(now - 60, now + 1)
    assert hang_up({line.port: ()}, 7, known) == 1
    assert (gone, all(line.alive())) == ([now - 60], True)
    known, gone = others(now + 1)
    assert hang_up({line.port: ()}, 3, known) == 4
    assert (gone, any(line.alive())) == ([], False)


def test_connections_that_others_know_are_left_to_them(line: Line) -> None:
    line.connect(4)
    known = [client.getsockname() for client, _ in line.ends[:3]]
    assert len(idlest({line.port: known}, 0)) == 1
    assert hang_up({line.port: known}, 0) == 1
    assert line.alive() == [True, True, True, False]


def test_the_kernel_never_calls_a_connection_busier_than_it_is(line: Line) -> None:
    line.connect(1)
    client, server = line.ends[0]
    begun = time.monotonic()
    told: list[float] = []
    for _ in range(20):
        client.sendall(b"x")
        server.recv(1)
        after = time.monotonic()
        threading.Event().wait(0.003)
        told.append(last_bytes(server))
        assert told[-1] <= after
    assert max(told) > begun


def test_other_sockets_and_files_are_left_alone(line: Line) -> None:
    other = Line()
    other.connect(3)
    try:
        assert hang_up({line.port: ()}, 0) == 0
        assert all(other.alive())
    finally:
        other.close()


def test_the_processes_locks_on_files_are_kept(line: Line, tmp_path: Path) -> None:
    line.connect(3)
    with (tmp_path / "lock").open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert hang_up({line.port: ()}, 1) == 2
        with pytest.raises(subprocess.CalledProcessError):  # nobody else gets it
            subprocess.run([sys.executable, "-c", _TAKE, file.name], check=True, stderr=DEVNULL)  # noqa: S603 our own


def test_below_the_limit_nobody_is_looked_at(line: Line) -> None:
    line.connect(3)

    async def main() -> None:
        with contextlib.suppress(TimeoutError):
            limit = 10 * descriptors()
            await asyncio.wait_for(keep_room(lambda: {line.port: ()}, limit), 0.3)

    asyncio.run(main())
    assert all(line.alive())


def test_near_the_limit_room_is_made(line: Line) -> None:
    line.connect(20)

    async def main() -> None:
        room = asyncio.create_task(keep_room(lambda: {line.port: ()}, 20))
        while sum(line.alive()) > 10:  # noqa: ASYNC110 the kernel sets no event
            await asyncio.sleep(0.01)
        room.cancel()

    asyncio.run(asyncio.wait_for(main(), 10))
    assert sum(line.alive()) == 10


def test_descriptors_are_counted() -> None:
    before = descriptors()
    one = os.dup(0)
    assert descriptors() == before + 1
    os.close(one)


@pytest.mark.parametrize(
    ("files", "listeners", "limit"),
    [
        (1_048_576, 1, CONNECTIONS),
        (1_048_576, 4, CONNECTIONS),
        (20_000, 1, 20_000 - SPARE_FILES),
        (20_000, 2, (20_000 - SPARE_FILES) // 2),
        (100, 2, 1),
    ],
)
def test_all_listeners_full_leave_files_to_spare(files: int, listeners: int, limit: int) -> None:
    assert connection_limit(files, listeners) == limit
