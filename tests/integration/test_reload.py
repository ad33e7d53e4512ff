"""SIGHUP: what a running node takes of a changed configuration, and that no request suffers."""

import http.client
import json
import signal
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from tests.certificates import self_signed, trusting_any
from tests.harness import Server, eventually, kill_all

_TLS = 'tls_cert_file = "{0}/cert.pem"\n  tls_key_file = "{0}/key.pem"'


@pytest.fixture
def tls_node(tmp_path: Path) -> Iterator[Server]:
    """An unsealed server that speaks TLS, its certificate's number 1."""
    self_signed(tmp_path, serial=1)
    with Server(tmp_path, listener=_TLS.format(tmp_path), tls=trusting_any()) as server:
        server.initialise()
        server.mount()
        server.expect(200, "PUT", "secret/data/a", {"data": {"k": "v"}})
        yield server


def serial(server: Server) -> int:
    """The number of the certificate that a new connection is shown."""
    text = ssl.get_server_certificate(("127.0.0.1", server.port), timeout=20)
    return x509.load_pem_x509_certificate(text.encode()).serial_number


def hang_up(server: Server) -> None:
    server.process.send_signal(signal.SIGHUP)


def says(server: Server, text: str) -> Callable[[], bool]:
    return lambda: text in server.log.read_text()


def settled(server: Server, number: int) -> bool:
    """Whether connection after connection is shown that certificate: every worker has it."""
    return all(serial(server) == number for _ in range(12))


@dataclass
class Load:
    """Readers on connections that are kept, and on new ones."""

    server: Server
    ended: threading.Event = field(default_factory=threading.Event)
    failures: list[str] = field(default_factory=list)
    reads: int = 0
    counting: threading.Lock = field(default_factory=threading.Lock)

    def run(self, requests_each: int) -> None:
        done = 0
        while not self.ended.is_set():
            with self.server.client() as client:
                for _ in range(requests_each):
                    if self.ended.is_set():
                        break
                    try:
                        answer = client.call("GET", "secret/data/a")
                    except (OSError, http.client.HTTPException) as error:
                        self.failures.append(repr(error))
                        continue
                    if answer.status != 200:
                        self.failures.append(f"{answer.status}")
                    done += 1
        with self.counting:
            self.reads += done


def test_no_request_fails_while_certificates_are_changed_under_load(tls_node: Server) -> None:
    load = Load(tls_node)
    threads = [threading.Thread(target=load.run, args=(each,)) for each in (1_000_000,) * 4 + (3,)]
    for thread in threads:
        thread.start()
    try:
        for number in range(2, 6):
            self_signed(tls_node.directory, serial=number)
            hang_up(tls_node)
            eventually(lambda number=number: settled(tls_node, number))  # type: ignore[misc] # bound now
    finally:
        load.ended.set()
        for thread in threads:
            thread.join()
    assert load.failures == []
    assert load.reads > 200
    assert tls_node.whole()


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("cert.pem", "it is not valid PEM"),
        ("key.pem", "it is not valid PEM"),
    ],
)
def test_a_broken_certificate_changes_nothing(tls_node: Server, broken: str, reason: str) -> None:
    (tls_node.directory / broken).write_text("broken")
    hang_up(tls_node)
    eventually(says(tls_node, f"not reloaded: {tls_node.directory}/cert.pem"))
    assert reason in tls_node.log.read_text()
    assert serial(tls_node) == 1
    self_signed(tls_node.directory, serial=2)
    hang_up(tls_node)
    eventually(lambda: settled(tls_node, 2))


def test_authorities_of_clients_that_would_end_the_workers_change_nothing(tls_node: Server) -> None:
    marked = tls_node.directory / "authorities.pem"
    own = (tls_node.directory / "cert.pem").read_bytes()
    marked.write_bytes(b"\xef\xbb\xbf" + own)
    pids = tls_node.pids()
    tls_node.listener += (
        f'\n tls_require_and_verify_client_cert = true\n tls_client_ca_file = "{marked}"'
    )
    tls_node.write_config()
    hang_up(tls_node)
    eventually(says(tls_node, f"not reloaded: {marked}: it cannot be served: no line of it is"))
    assert serial(tls_node) == 1
    assert tls_node.pids() == pids


def test_a_key_of_another_certificate_changes_nothing(tls_node: Server) -> None:
    own = (tls_node.directory / "cert.pem").read_bytes()
    self_signed(tls_node.directory, serial=2)
    (tls_node.directory / "cert.pem").write_bytes(own)
    hang_up(tls_node)
    eventually(says(tls_node, "the key does not belong to it"))
    assert serial(tls_node) == 1


def test_a_broken_configuration_changes_nothing(node: Server) -> None:
    node.settings = "log_levle = 1\n"
    config = node.write_config()
    hang_up(node)
    eventually(says(node, f'not reloaded: {config}:10: unknown key "log_levle"'))
    node.expect(200, "GET", "sys/health")
    assert node.whole()


def test_log_level_headers_and_audit_devices_are_taken_by_every_process(node: Server) -> None:
    assert "debug" not in node.log.read_text()
    other = node.directory / "other.log"
    node.settings = f"""
        log_format = "json"
        workers = 3
        audit "file" "other" {{ options {{ file_path = "{other}" }} }}
    """
    node.listener += '\ncustom_response_headers { "default" = { "X-A" = "b" } }'
    node.write_config()
    hang_up(node)
    eventually(says(node, "workers is changed by a restart only"))
    eventually(lambda: all(_header(node) == "b" for _ in range(12)))
    eventually(lambda: "other/" in node.expect(200, "GET", "sys/audit").data)
    node.expect(404, "GET", "secret/data/none")
    assert other.read_text()
    worker = node.of_role("worker")[0]
    kill_all([worker])
    node.wait_until_replaced(worker)
    assert all(_header(node) == "b" for _ in range(12))  # one started since has it, too
    last = node.log.read_text().splitlines()[-1]
    assert json.loads(last)["@module"]


def test_an_audit_file_that_was_moved_is_begun_anew(node: Server) -> None:
    moved = node.audit.with_suffix(".1")
    node.audit.rename(moved)
    hang_up(node)
    eventually(says(node, "reloaded"))
    node.expect(404, "GET", "secret/data/none")
    assert node.records()[-1]["request"]["path"] == "secret/data/none"
    assert "secret/data/none" not in moved.read_text()


def test_an_open_connection_is_asked_to_come_anew(tls_node: Server) -> None:
    with tls_node.client() as client:
        client.expect(200, "GET", "secret/data/a")
        self_signed(tls_node.directory, serial=2)
        hang_up(tls_node)
        eventually(lambda: settled(tls_node, 2))
        time.sleep(0.5)  # the last acceptor retires a moment after the next is there
        answer = client.expect(200, "GET", "secret/data/a")
        assert answer.headers["connection"] == "close"


def _header(server: Server) -> str:
    return server.call("GET", "sys/health").headers.get("x-a", "")
