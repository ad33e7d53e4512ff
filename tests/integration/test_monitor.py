"""A real node's log, watched through one of its workers and by the command."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.harness import CUSTODY, Client, Server, eventually


class Watch:
    """`custody monitor`, and what it has printed."""

    def __init__(self, node: Server, options: Sequence[str], token: str) -> None:
        environment = {**os.environ, "CUSTODY_ADDR": node.address, "CUSTODY_TOKEN": token}
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            [CUSTODY, "monitor", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    def shows(self, text: str) -> bool:
        return any(text in line for line in self.lines)

    def end(self) -> int:
        """Its exit status, once it has ended."""
        status = self.process.wait(20)
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@contextmanager
def watching(node: Server, *options: str, token: str = "") -> Iterator[Watch]:
    """A watch that has begun."""
    watch = Watch(node, options, token or node.token)
    try:
        # It begins a moment after it is admitted: ask for lines until one is seen.
        eventually(lambda: _reloaded(node) and watch.shows("reloaded"))
        yield watch
    finally:
        watch.process.kill()
        watch.end()


def _reloaded(node: Server) -> bool:
    node.process.send_signal(signal.SIGHUP)
    return True


def test_what_every_process_logs_is_seen_until_the_node_is_sealed(node: Server) -> None:
    with watching(node) as watch:
        node.expect(204, "PUT", "sys/seal")
        assert watch.end() == 0  # it is told that there is no more
        assert watch.shows("custodian(")
        assert watch.shows("supervisor(")
        assert watch.lines[-1].endswith("sealed: ending every process that held keys\n")


def test_a_stop_ends_it_and_is_not_held_up(node: Server) -> None:
    with watching(node) as watch:
        node.stop()
        assert node.process.returncode == 0
        assert watch.end() == 0
        assert watch.shows("stopping")


def test_levels_that_the_log_leaves_out_are_seen_and_the_log_stays_as_it_was(
    node: Server,
) -> None:
    node.settings = 'log_level = "error"\n'
    node.write_config()
    said = len(node.log.read_text())
    with watching(node, "-log-format=json", "-log-level=debug") as watch:
        read = [json.loads(line) for line in watch.lines]
        assert {one["@module"] for one in read} <= {"supervisor", "worker", "steward", "custodian"}
        assert any(one["@message"] == "reloaded" for one in read)
    assert node.log.read_text()[said:] == ""


def test_a_token_that_is_revoked_sees_no_more(node: Server) -> None:
    token = node.new_token('path "sys/monitor" { capabilities = ["read"] }', "watcher")
    with watching(node, token=token) as watch:
        node.expect(204, "POST", "auth/token/revoke", {"token": token})
        assert watch.end() == 0
        assert node.whole()


def test_who_leaves_is_forgotten(node: Server) -> None:
    for _ in range(40):  # more than may watch at once
        with Client(node.port, node.token) as client:
            client.link.request("GET", "/v1/sys/monitor", headers={"X-Vault-Token": node.token})
            assert client.link.getresponse().status == 200
    eventually(lambda: node.expect(200, "GET", "sys/health").status == 200)
    with watching(node):
        pass


def test_who_may_not_watch_is_told_so(node: Server) -> None:
    token = node.new_token('path "secret/*" { capabilities = ["read"] }', "other")
    watch = Watch(node, (), token)
    assert watch.end() == 2
    assert watch.lines[0] == "Error starting monitor: Error making API request.\n"
    assert watch.shows("permission denied")


def test_a_bundle_for_who_helps_holds_the_log_of_its_time(node: Server) -> None:
    place = node.directory / "bundle"
    words = ["debug", "-target=log", "-duration=3s", "-compress=false", f"-output={place}"]
    environment = {**os.environ, "CUSTODY_ADDR": node.address, "CUSTODY_TOKEN": node.token}
    with subprocess.Popen([CUSTODY, *words], env=environment) as process:  # noqa: S603 our own
        eventually(lambda: _reloaded(node) and (place / "custody.log").exists())
        assert process.wait(20) == 0
    text = (place / "custody.log").read_text()
    assert "reloaded" in text
    assert (place / "custody.log").stat().st_mode & 0o777 == 0o600
    index = json.loads((place / "index.json").read_text())
    assert (index["output"], index["errors"]) == (["custody.log"], [])
