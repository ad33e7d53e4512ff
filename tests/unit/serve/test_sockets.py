"""The listening sockets of workers: one each, at an address that is the node's alone."""

import socket
from collections import Counter
from collections.abc import Iterator

import pytest

from custody.serve.listeners import Sockets, bind
from custody.serve.settings import Listener

LISTENER = Listener("127.0.0.1", 0)
WORKERS = (2, 3)


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    held = Sockets([LISTENER])
    yield held
    held.close()


def connect(port: int, number: int) -> list[socket.socket]:
    return [socket.create_connection(("127.0.0.1", port)) for _ in range(number)]


def waiting(descriptor: int) -> int:
    """How many connections wait there; they are taken and closed."""
    count = 0
    with socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.settimeout(0)
        while True:
            try:
                taken, _ = listening.accept()
            except BlockingIOError:
                return count
            taken.close()
            count += 1


def test_connections_are_dealt_out_to_all_workers(sockets: Sockets) -> None:
    held = {slot: sockets.of(slot)[0] for slot in WORKERS}
    clients = connect(sockets.addresses[0][1], 200)
    dealt = Counter({slot: waiting(descriptor) for slot, descriptor in held.items()})
    for client in clients:
        client.close()
    assert dealt.total() == 200
    assert min(dealt.values()) > 50  # by chance less once in 10^12 runs


def test_a_worker_keeps_its_sockets_while_it_is_started_anew(sockets: Sockets) -> None:
    assert [sockets.of(slot) for slot in WORKERS] == [sockets.of(slot) for slot in WORKERS]


def test_who_comes_while_a_worker_is_away_is_served_by_the_others(sockets: Sockets) -> None:
    port = sockets.addresses[0][1]
    _, other = (sockets.of(slot)[0] for slot in WORKERS)
    for slot in WORKERS:
        sockets.give_up(slot)  # the last one goes on
    clients = connect(port, 50)
    assert waiting(other) == 50
    with pytest.raises(OSError, match="Address already in use"):
        bind(Listener("127.0.0.1", port))
    again = sockets.of(WORKERS[0])[0]
    clients += connect(port, 100)
    assert 0 < waiting(again) < 100
    for client in clients:
        client.close()


def test_the_address_is_the_nodes_alone(sockets: Sockets) -> None:
    sockets.of(2)
    port = sockets.addresses[0][1]
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
        bind(Listener("127.0.0.1", port))
