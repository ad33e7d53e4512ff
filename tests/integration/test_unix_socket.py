"""A listener on a Unix socket: every worker serves it; its file comes and goes with the node."""

import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.harness import CUSTODY, PATIENCE, Server, eventually

_STANZA = 'listener "unix" {{\n  address = "{}"\n  socket_mode = "0660"\n  {}\n}}\n'


class Link(http.client.HTTPConnection):
    """A connection to a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Node(Server):
    """A server that also listens at a path."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "s"
        super().__init__(directory, settings=_STANZA.format(self.path, ""))

    def ask(self, path: str, token: str | None = None, link: Link | None = None) -> tuple[int, Any]:
        """A read by the socket, on a connection of its own unless told; status and body."""
        with_close = link is None
        link = link or Link(self.path)
        link.request("GET", f"/v1/{path}", headers={"X-Vault-Token": token or self.token})
        answer = link.getresponse()
        body = json.loads(answer.read())
        if with_close:
            link.close()
        return answer.status, body


@pytest.fixture
def directory() -> Iterator[Path]:
    """One whose name is short: the path of a socket has a limit."""
    with tempfile.TemporaryDirectory(prefix="custody-") as made:
        yield Path(made)


@pytest.fixture
def unix_node(directory: Path) -> Iterator[Node]:
    with Node(directory) as server:
        server.initialise()
        server.mount()
        server.expect(200, "PUT", "secret/data/a", {"data": {"k": "v"}})
        yield server


def test_requests_by_the_socket_are_served_and_recorded_without_an_address(
    unix_node: Node,
) -> None:
    status, body = unix_node.ask("secret/data/a")
    assert (status, body["data"]["data"]) == (200, {"k": "v"})
    record = unix_node.records()[-1]
    assert record["request"]["path"] == "secret/data/a"
    assert "remote_address" not in record["request"]
    (running,) = unix_node.ask("sys/in-flight-req")[1].values()
    assert running["client_remote_address"] == "@"
    unix_node.expect(204, "POST", "auth/token/roles/bound", {"token_bound_cidrs": ["127.0.0.0/8"]})
    made = unix_node.expect(200, "POST", "auth/token/create/bound", {"policies": ["default"]})
    bound = str(made.body["auth"]["client_token"])
    assert unix_node.call("GET", "auth/token/lookup-self", token=bound).status == 200
    assert unix_node.ask("auth/token/lookup-self", bound)[0] == 403
    shown = unix_node.expect(200, "GET", "sys/config/state/sanitized").data["listeners"][1]
    assert (shown["type"], shown["config"]["address"]) == ("unix", str(unix_node.path))


def test_each_worker_serves_it(unix_node: Node) -> None:
    workers = unix_node.of_role("worker")
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
        eventually(lambda: _stopped(worker))  # noqa: B023 - called at once
        try:
            assert [unix_node.ask("secret/data/a")[0] for _ in range(8)] == [200] * 8
        finally:
            os.kill(worker, signal.SIGCONT)
    victim = workers[0]
    os.kill(victim, signal.SIGKILL)
    unix_node.wait_until_replaced(victim)
    assert unix_node.ask("secret/data/a")[0] == 200


def _stopped(pid: int) -> bool:
    """Whether all its threads are: it is a while until the last one hears of it."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return all("State:\tT" in (thread / "status").read_text() for thread in threads)


def test_its_file_is_for_whom_it_is_configured_and_goes_with_the_node(unix_node: Node) -> None:
    found = unix_node.path.stat().st_mode
    assert (stat.S_ISSOCK(found), stat.S_IMODE(found)) == (True, 0o660)
    unix_node.stop()
    assert not unix_node.path.exists()


def test_what_a_killed_node_left_is_taken_over_and_what_is_served_is_refused(
    unix_node: Node,
) -> None:
    unix_node.kill()
    assert unix_node.path.exists()
    unix_node.start()
    unix_node.unseal()
    other = unix_node.directory / "other.hcl"
    text = (unix_node.directory / "server.hcl").read_text()
    other.write_text(text.replace(f"{unix_node.directory}/data", f"{unix_node.directory}/two"))
    refused = subprocess.run(  # noqa: S603 - our own server
        [CUSTODY, "server", f"-config={other}"],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert refused.returncode == 1
    assert f"cannot listen on {unix_node.path}: Address already in use" in refused.stderr
    assert unix_node.ask("secret/data/a")[0] == 200


def test_a_reload_changes_what_it_says_and_loses_no_request(unix_node: Node) -> None:
    ended, failures, reads = threading.Event(), list[object](), list[int]()

    def read() -> None:
        link = Link(unix_node.path)
        while not ended.is_set():
            try:
                status, _ = unix_node.ask("secret/data/a", link=link)
            except (OSError, http.client.HTTPException) as error:
                failures.append(error)
                return
            reads.append(status)
        link.close()

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(3):
        header = f'custom_response_headers {{ "default" = {{ "X-Number" = ["{number}"] }} }}'
        unix_node.settings = _STANZA.format(unix_node.path, header)
        text = unix_node.write_config().read_text()
        (unix_node.directory / "server.hcl").write_text(
            text.replace("127.0.0.1:0", f"127.0.0.1:{unix_node.port}")
        )
        unix_node.process.send_signal(signal.SIGHUP)
        eventually(lambda: _header(unix_node) == str(number))  # noqa: B023 - called at once
    ended.set()
    for reader in readers:
        reader.join()
    assert not failures
    assert set(reads) == {200}
    assert stat.S_IMODE(unix_node.path.stat().st_mode) == 0o660


def _header(node: Node) -> str | None:
    link = Link(node.path)
    link.request("GET", "/v1/sys/health")
    answer = link.getresponse()
    answer.read()
    link.close()
    return answer.getheader("X-Number")


def test_the_command_line_reaches_it(unix_node: Node) -> None:
    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        environment = {
            "PATH": os.environ["PATH"], "VAULT_ADDR": f"unix://{unix_node.path}",
            "VAULT_TOKEN": unix_node.token, "HOME": str(unix_node.directory),
        }  # fmt: skip
        return subprocess.run(  # noqa: S603 - our own command
            [CUSTODY, *words],
            check=False,
            capture_output=True,
            text=True,
            env=environment,
            timeout=PATIENCE,
        )

    assert run("kv", "get", "-field=k", "secret/a").stdout.strip() == "v"
    assert run("status").returncode == 0
    line = run("kv", "get", "-output-curl-string", "secret/a").stdout
    assert line.startswith(f"curl --unix-socket {unix_node.path} ")
    unix_node.stop()
    gone = run("status")
    assert gone.returncode == 1
    assert f"unix://{unix_node.path}: there is no such socket" in gone.stderr
