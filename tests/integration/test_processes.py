"""The processes of a node, for real: on loopback, with real signals."""

import base64
import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_RUN = "import sys; from custody.serve.supervisor import main; sys.exit(main(sys.argv[1:]))"
_READY_SECONDS = 5.0
_PATIENCE = 15.0  # for what must happen soon; a loaded machine is slow
_CONFIG = """
storage "lmdb" {{ path = "{directory}/data" }}
listener "tcp" {{
  address = "127.0.0.1:0"
  tls_disable = true
}}
audit "file" "file" {{ options {{ file_path = "{directory}/audit.log" }} }}
workers = 2
"""


class Server:
    """`custody server` on a free port, and a client of its own."""

    def __init__(self, directory: Path) -> None:
        config = directory / "server.hcl"
        config.write_text(_CONFIG.format(directory=directory))
        self.directory = directory
        self.command = [sys.executable, "-c", _RUN, f"-config={config}"]
        self.log = (directory / "log").open("wb")
        started = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603 - our own server
            self.command, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.seconds = time.monotonic() - started
        found = re.fullmatch(r"custody is ready at http://127\.0\.0\.1:(\d+)\n", line)
        assert found, line + (directory / "log").read_text()
        self.port = int(found[1])
        self.token = ""
        self.shares: list[str] = []

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and parsed body of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        try:
            data = None if body is None else json.dumps(body)
            headers = {"X-Vault-Token": self.token} if self.token else {}
            connection.request(method, f"/v1/{path}", data, headers)
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text else None
        finally:
            connection.close()

    def initialise(self, shares: int = 1, threshold: int = 1) -> None:
        """Initialise and keep what it answers."""
        wish = {"secret_shares": shares, "secret_threshold": threshold}
        status, made = self.call("PUT", "sys/init", wish)
        assert status == 200, made
        self.shares, self.token = made["keys"], made["root_token"]

    def unseal(self) -> None:
        """Give the shares until the node is unsealed."""
        for share in self.shares:
            status, answer = self.call("PUT", "sys/unseal", {"key": share})
            assert status == 200, answer
            if not answer["sealed"]:
                return
        raise AssertionError("still sealed")

    def pids(self) -> dict[int, str]:
        """The role of every child by its process number."""
        return {pid: _role(pid) for pid in _children(self.process.pid) if _role(pid) != "starting"}

    def one(self, role: str) -> int:
        """A child of that role."""
        return next(pid for pid, name in self.pids().items() if name == role)

    def sealed(self) -> bool:
        """What seal-status says."""
        answer = self.call("GET", "sys/seal-status")[1]
        return bool(answer["sealed"])

    def close(self) -> None:
        """End it without ceremony."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.log.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that has never been initialised."""
    one = Server(tmp_path)
    try:
        yield one
    finally:
        one.close()


@pytest.fixture
def unsealed(server: Server) -> Server:
    """A server in use."""
    server.initialise()
    server.unseal()
    return server


def _children(parent: int) -> list[int]:
    text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [int(pid) for pid in text.split()]


def _role(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "starting"
    names = [word.removeprefix(b"custody.serve.") for word in words if b"custody.serve." in word]
    return names[0].decode() if len(names) == 1 and len(words) < 8 else "starting"


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def _is_whole(server: Server) -> bool:
    roles = sorted(server.pids().values())
    return roles == ["custodian", "steward", "worker", "worker"]


def test_a_new_server_is_ready_in_time_and_answers_uninitialised_and_sealed(server: Server) -> None:
    assert server.seconds < _READY_SECONDS
    status, health = server.call("GET", "sys/health")
    assert status == 501
    assert health["sealed"] is True
    assert health["initialized"] is False
    assert _is_whole(server)


def test_no_process_may_leave_a_core_file(server: Server) -> None:
    for pid in (server.process.pid, *server.pids()):
        assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)


def test_keys_and_tokens_are_in_no_argument_and_no_environment(unsealed: Server) -> None:
    assert unsealed.call("GET", "auth/token/lookup-self")[0] == 200
    planted = [unsealed.token.encode()]
    for share in unsealed.shares:
        raw = bytes.fromhex(share)
        planted += [share.encode(), base64.b64encode(raw), raw]
    for pid in (unsealed.process.pid, *unsealed.pids()):
        for name in ("cmdline", "environ"):
            data = Path(f"/proc/{pid}/{name}").read_bytes()
            assert not any(secret in data for secret in planted)


def test_a_process_inherits_no_variable_that_could_hold_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "planted-in-the-environment")
    server = Server(tmp_path)
    try:
        for pid in server.pids():
            assert b"planted" not in Path(f"/proc/{pid}/environ").read_bytes()
    finally:
        server.close()


def test_a_second_server_on_the_same_data_is_refused(server: Server) -> None:
    second = subprocess.run(  # noqa: S603 - our own server
        server.command, capture_output=True, text=True, check=False, timeout=20
    )
    assert second.returncode == 1
    assert f"is in use by another custody server (process {server.process.pid})" in second.stderr
    assert second.stdout == ""
    assert server.call("GET", "sys/seal-status")[0] == 200


def test_a_killed_worker_is_replaced_and_the_service_goes_on(unsealed: Server) -> None:
    killed = unsealed.one("worker")
    os.kill(killed, signal.SIGKILL)
    _eventually(lambda: killed not in unsealed.pids() and _is_whole(unsealed))
    for _ in range(20):
        status, body = unsealed.call("GET", "auth/token/lookup-self")
        assert status == 200, body
    assert not unsealed.sealed()


def test_a_worker_that_starts_on_an_unsealed_node_is_unsealed_before_it_answers(
    unsealed: Server,
) -> None:
    for pid in [pid for pid, role in unsealed.pids().items() if role == "worker"]:
        os.kill(pid, signal.SIGKILL)
    # Both are gone: this request waits in the listening socket for the first new worker.
    status, body = unsealed.call("GET", "auth/token/lookup-self")
    assert status == 200, body


def test_a_killed_steward_is_replaced_and_the_node_stays_unsealed(unsealed: Server) -> None:
    killed = unsealed.one("steward")
    os.kill(killed, signal.SIGKILL)
    _eventually(lambda: killed not in unsealed.pids() and _is_whole(unsealed))
    assert unsealed.call("GET", "auth/token/lookup-self")[0] == 200


def test_when_the_custodian_dies_every_process_is_new_and_the_node_is_sealed(
    unsealed: Server,
) -> None:
    before = set(unsealed.pids())
    os.kill(unsealed.one("custodian"), signal.SIGKILL)
    _eventually(lambda: not any(_alive(pid) for pid in before))
    _eventually(lambda: _is_whole(unsealed))
    assert unsealed.call("GET", "auth/token/lookup-self")[0] == 503
    assert unsealed.sealed()
    unsealed.unseal()
    assert unsealed.call("GET", "auth/token/lookup-self")[0] == 200


def test_sealing_replaces_every_process_and_refuses_no_connection(unsealed: Server) -> None:
    before = set(unsealed.pids())
    refused: list[str] = []
    done = threading.Event()

    def knock() -> None:
        while not done.is_set():
            try:
                socket.create_connection(("127.0.0.1", unsealed.port), timeout=5).close()
            except OSError as error:
                refused.append(str(error))

    knocker = threading.Thread(target=knock)
    knocker.start()
    try:
        assert unsealed.call("PUT", "sys/seal")[0] == 204
        assert unsealed.sealed()
        _eventually(lambda: not any(_alive(pid) for pid in before))
        _eventually(lambda: _is_whole(unsealed))
    finally:
        done.set()
        knocker.join()
    assert refused == []
    assert unsealed.call("GET", "auth/token/lookup-self")[0] == 503
    unsealed.unseal()
    assert unsealed.call("GET", "auth/token/lookup-self")[0] == 200


def test_shares_count_whichever_worker_takes_them_and_a_repeated_one_does_not(
    server: Server,
) -> None:
    server.initialise(shares=5, threshold=3)
    first, second, third = server.shares[:3]
    assert server.call("PUT", "sys/unseal", {"key": first})[1]["progress"] == 1
    answer = server.call("PUT", "sys/unseal", {"key": first})[1]
    assert answer["progress"] == 1
    nonce = answer["nonce"]
    assert nonce
    assert {server.call("GET", "sys/seal-status")[1]["nonce"] for _ in range(10)} == {nonce}
    assert server.call("PUT", "sys/unseal", {"key": second})[1]["progress"] == 2
    assert server.call("PUT", "sys/unseal", {"reset": True})[1]["progress"] == 0
    for share in (second, third):
        assert server.call("PUT", "sys/unseal", {"key": share})[1]["sealed"] is True
    assert server.call("PUT", "sys/unseal", {"key": first})[1]["sealed"] is False
    assert server.call("PUT", "sys/unseal", {"reset": True}) == (
        400,
        {"errors": ["vault is unsealed"]},
    )


def test_a_wrong_full_set_of_shares_starts_over_and_says_so(server: Server) -> None:
    server.initialise(shares=3, threshold=2)
    wrong = "00" * 32 + "01"
    assert server.call("PUT", "sys/unseal", {"key": wrong})[1]["progress"] == 1
    status, body = server.call("PUT", "sys/unseal", {"key": server.shares[0]})
    assert status == 400
    assert body["errors"] == [
        (
            "unable to retrieve stored keys: invalid key: failed to decrypt keys from storage: "
            "cipher: message authentication failed"
        )
    ]
    assert server.call("GET", "sys/seal-status")[1]["progress"] == 0
    server.unseal()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything_in_time_and_with_status_zero(
    unsealed: Server, number: signal.Signals
) -> None:
    before = set(unsealed.pids())
    unsealed.process.send_signal(number)
    assert unsealed.process.wait(timeout=8) == 0
    assert not any(_alive(pid) for pid in before)


def test_a_request_in_flight_is_answered_before_a_graceful_stop(unsealed: Server) -> None:
    body = json.dumps({"policies": ["default"]}).encode()
    with socket.create_connection(("127.0.0.1", unsealed.port), timeout=10) as connection:
        head = (
            f"POST /v1/auth/token/create HTTP/1.1\r\nHost: x\r\nX-Vault-Token: {unsealed.token}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body[:5])
        _eventually(lambda: _accepted(unsealed.port))
        unsealed.process.send_signal(signal.SIGTERM)
        _eventually(lambda: b"stopping" in (unsealed.directory / "log").read_bytes())
        connection.sendall(body[5:])
        assert connection.recv(64).startswith(b"HTTP/1.1 200")
    assert unsealed.process.wait(timeout=8) == 0


def test_a_request_that_never_ends_does_not_hold_a_stop_beyond_its_deadline(
    unsealed: Server,
) -> None:
    before = set(unsealed.pids())
    with socket.create_connection(("127.0.0.1", unsealed.port), timeout=10) as connection:
        connection.sendall(
            b"POST /v1/auth/token/create HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"
        )
        _eventually(lambda: _accepted(unsealed.port))
        unsealed.process.send_signal(signal.SIGTERM)
        assert unsealed.process.wait(timeout=8) == 0
    assert not any(_alive(pid) for pid in before)


def test_children_do_not_outlive_a_killed_supervisor(unsealed: Server) -> None:
    before = set(unsealed.pids())
    unsealed.process.kill()
    _eventually(lambda: not any(_alive(pid) for pid in before))


def test_data_and_token_are_there_after_a_restart(unsealed: Server, tmp_path: Path) -> None:
    unsealed.process.send_signal(signal.SIGTERM)
    assert unsealed.process.wait(timeout=8) == 0
    again = Server(tmp_path)
    try:
        again.shares, again.token = unsealed.shares, unsealed.token
        assert again.call("GET", "sys/health")[0] == 503
        again.unseal()
        assert again.call("GET", "auth/token/lookup-self")[0] == 200
    finally:
        again.close()


def _accepted(port: int) -> bool:
    """Whether no connection waits unaccepted or unread on that port's server side."""
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    for row in rows:
        fields = row.split()
        listening_here = fields[1].endswith(f":{port:04X}")
        _, unread = fields[4].split(":")
        if listening_here and int(unread, 16):
            return False
    return True
