"""What a running node takes of changed settings, and the board that they are posted on."""

import os
from collections.abc import Iterator

import msgspec
import pytest

from custody.serve import reload
from custody.serve.settings import TLS, AuditDevice, Listener, Settings, SocketFile

RUNNING = Settings(
    data_path="/data",
    listeners=[Listener("127.0.0.1", 1), Listener("127.0.0.1", 2, tls=TLS("/c", "/k"))],
)


def changed(**fields: object) -> Settings:
    return msgspec.structs.replace(RUNNING, **fields)


@pytest.fixture
def board() -> Iterator[int]:
    fd = reload.board()
    yield fd
    os.close(fd)


def test_an_empty_or_torn_board_says_nothing(board: int) -> None:
    assert reload.posted(board) is None
    os.pwrite(board, b'{"data_path": "/da', 0)
    assert reload.posted(board) is None


def test_what_was_posted_last_is_what_is_read_however_long_the_one_before_was(board: int) -> None:
    for settings in (changed(cluster_name="x" * 100_000), RUNNING):
        reload.post(board, settings)
        assert reload.posted(board) == settings


def test_levels_devices_and_listeners_settings_are_taken() -> None:
    found = changed(
        log_level="debug",
        audit=[AuditDevice("file", "a")],
        drain=9.0,
        listeners=[
            Listener("127.0.0.1", 1, max_body=5),
            Listener("127.0.0.1", 2, tls=TLS("/c2", "/k2")),
        ],
    )
    assert reload.merged(RUNNING, found) == (found, [])


def test_what_cannot_change_while_it_runs_stays_and_is_named() -> None:
    found = changed(
        data_path="/other", workers=7, pin_workers=False, max_lease_ttl=5, log_level="warn"
    )
    taken, left = reload.merged(RUNNING, found)
    assert taken == changed(log_level="warn")
    assert left == ["data_path", "workers", "pin_workers", "max_lease_ttl"]


def test_a_listener_that_moved_or_went_stays_as_it_is_until_a_restart() -> None:
    found = changed(listeners=[Listener("127.0.0.1", 2, tls=TLS("/c2", "/k2")), Listener("::1", 3)])
    taken, left = reload.merged(RUNNING, found)
    assert taken.listeners == [RUNNING.listeners[0], found.listeners[0]]
    assert left == ["listener"]


def test_the_file_of_a_unix_socket_stays_as_it_was_made() -> None:
    made = Listener("", 0, file=SocketFile("/s", 0o600))
    found = Listener("", 0, file=SocketFile("/s", 0o660), max_body=5)
    taken, left = reload.merged(changed(listeners=[made]), changed(listeners=[found]))
    assert taken.listeners == [msgspec.structs.replace(found, file=made.file)]
    assert left == ["listener"]
