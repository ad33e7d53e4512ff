"""Levels of loggers on real processes: set by one, taken by all, and gone with a reload."""

import signal
import time

from tests.harness import Client, Server


def agreed(node: Server, name: str, level: str) -> None:
    """Every worker says so."""
    deadline = time.monotonic() + 20
    times = 0
    while times < 10:
        assert time.monotonic() < deadline
        with Client(node.port, node.token) as client:
            found = client.expect(200, "GET", "sys/loggers").data[name]
        times = times + 1 if found == level else 0


def test_a_level_is_taken_by_every_process_until_a_reload(node: Server) -> None:
    with Client(node.port, node.token) as client:
        client.expect(204, "POST", "sys/loggers/core", {"level": "debug"})
        agreed(node, "core", "debug")
        client.expect(204, "POST", "sys/loggers", {"level": "error"})
        agreed(node, "core", "error")
        client.expect(204, "DELETE", "sys/loggers")
        agreed(node, "core", "info")
        client.expect(204, "POST", "sys/loggers", {"level": "error"})
        agreed(node, "http", "error")
        node.process.send_signal(signal.SIGHUP)
        agreed(node, "http", "info")
