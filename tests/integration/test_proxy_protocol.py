"""A real server behind proxies that speak the PROXY protocol: who its clients are."""

import contextlib
import http.client
import signal
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.certificates import self_signed, trusting_any
from tests.frames import PREFACE, SETTINGS, request_frames
from tests.harness import Client, Server, eventually

LINE = b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 8200\r\n"
BINARY = (
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x12"
    + bytes([203, 0, 113, 8, 10, 0, 0, 1])
    + struct.pack(">HH", 4712, 8200)
    + b"\x04\0\x03abc"
)
_LISTENS = "0A"  # a state in /proc/net/tcp
_PLAIN = "tls_disable = true\n"
_ALWAYS = 'proxy_protocol_behavior = "use_always"\n'


def behind(server: Server, header: bytes, port: int = 0) -> Client:
    """A client whose proxy says so much before it."""
    client = Client(port or server.port, server.token)
    link = client.link
    link.sock = socket.create_connection(("127.0.0.1", link.port), timeout=20)
    link.sock.sendall(header)
    if server.tls is not None:
        link.sock = server.tls.wrap_socket(link.sock)
    return client


def seen(server: Server) -> tuple[str, int]:
    """The client of the last request, as the audit file shows it."""
    request = server.records()[-1]["request"]
    return request["remote_address"], request["remote_port"]


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Server]:
    """An unsealed server that believes every header."""
    with Server(tmp_path, listener=_PLAIN + _ALWAYS) as server:
        server.initialise()
        server.mount()
        yield server


def test_the_audit_file_shows_the_client_and_not_the_proxy(proxied: Server) -> None:
    six = LINE.replace(b"TCP4 203.0.113.7 10.0.0.1", b"TCP6 2001:db8::1 ::1")
    for header, address in (
        (LINE, ("203.0.113.7", 4711)),
        (BINARY, ("203.0.113.8", 4712)),
        (six, ("2001:db8::1", 4711)),
    ):
        with behind(proxied, header) as client:
            for _ in range(2):  # it holds for the whole connection
                client.expect(404, "GET", "secret/data/none")
                assert seen(proxied) == address
    with behind(proxied, b"PROXY UNKNOWN\r\n") as client:
        client.expect(404, "GET", "secret/data/none")
        assert seen(proxied)[0] == "127.0.0.1"
    proxied.expect(404, "GET", "secret/data/none")  # no header: who connects is the client
    assert seen(proxied)[0] == "127.0.0.1"


def test_a_token_bound_to_addresses_is_bound_to_the_clients(proxied: Server) -> None:
    role = {"allowed_policies": "default", "token_bound_cidrs": "203.0.113.7/32"}
    proxied.expect(204, "POST", "auth/token/roles/bound", role)
    made = proxied.expect(200, "POST", "auth/token/create/bound", {})
    token = made.body["auth"]["client_token"]
    statuses = []
    for header in (LINE, BINARY, b""):
        with behind(proxied, header) as client:
            statuses.append(client.call("GET", "auth/token/lookup-self", token=token).status)
    assert statuses == [200, 403, 403]


def test_what_is_no_header_is_hung_up_on_and_nothing_else_suffers(proxied: Server) -> None:
    for header in (
        b"PROXY TCP4 nowhere\r\n",
        BINARY[:12] + b"\x99" + bytes(20),
        b"PROXY " + b"a" * 200,
    ):
        with behind(proxied, header) as client, pytest.raises((OSError, http.client.HTTPException)):
            client.call("GET", "sys/health")
    with behind(proxied, LINE) as client:
        client.expect(200, "GET", "sys/health")
    assert proxied.whole()
    assert "rror" not in proxied.log.read_text()


def test_who_finds_the_relays_way_to_the_server_is_nobody(proxied: Server) -> None:
    inner = [port for port in _listening(proxied) if port != proxied.port]
    assert len(inner) == 2  # one in each worker
    for port in inner:
        with Client(port, proxied.token) as client:
            answer = client.call("GET", "secret/data/none")
            assert (answer.status, "relay" in answer.body["errors"][0]) == (400, True)


def test_tls_and_http_2_end_where_they_did(tmp_path: Path) -> None:
    self_signed(tmp_path)
    files = f'tls_cert_file = "{tmp_path}/cert.pem"\ntls_key_file = "{tmp_path}/key.pem"\n'
    with Server(tmp_path, listener=files + _ALWAYS, tls=trusting_any()) as server:
        server.initialise()
        server.mount()
        with behind(server, BINARY) as client:
            client.expect(404, "GET", "secret/data/none")
            assert seen(server) == ("203.0.113.8", 4712)
        context = trusting_any()
        context.set_alpn_protocols(["h2"])
        fields = {":method": "GET", ":scheme": "https", ":authority": "x"}
        fields |= {":path": "/v1/secret/data/two", "x-vault-token": server.token}
        raw = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        raw.sendall(LINE)
        with context.wrap_socket(raw) as link:
            assert link.selected_alpn_protocol() == "h2"
            link.sendall(PREFACE + SETTINGS + request_frames(fields, ends=True))
            eventually(lambda: server.records()[-1]["request"]["path"] == "secret/data/two")
            assert seen(server) == ("203.0.113.7", 4711)
        server.stop()
        assert server.process.returncode == 0


def test_a_body_and_an_answer_of_megabytes_pass_whole(proxied: Server) -> None:
    value = "v" * 900_000
    with behind(proxied, LINE) as client:
        for number in range(5):
            client.expect(200, "PUT", f"secret/data/{number}", {"data": {"k": value}})
            assert client.expect(200, "GET", f"secret/data/{number}").data["data"]["k"] == value


def test_forwarded_for_is_believed_of_whom_the_header_names(tmp_path: Path) -> None:
    listener = _PLAIN + _ALWAYS + 'x_forwarded_for_authorized_addrs = "203.0.113.7"\n'
    with Server(tmp_path, listener=listener + "x_forwarded_for_reject_not_present = false") as one:
        one.initialise()
        for header, status in ((LINE, 403), (BINARY, 400)):
            with behind(one, header) as client:
                client.headers["X-Forwarded-For"] = "198.51.100.1"
                assert client.call("GET", "sys/mounts", token="none").status == status
        assert seen(one)[0] == "198.51.100.1"


def test_a_reload_changes_who_is_believed(node: Server) -> None:
    def reload(lines: str) -> None:
        node.listener = _PLAIN + lines
        node.write_config()
        node.process.send_signal(signal.SIGHUP)

    def whose() -> str:
        with behind(node, LINE) as client:
            try:
                status = client.call("GET", "sys/mounts").status
            except (OSError, http.client.HTTPException):
                return "hung up on"
            return "a broken request" if status == 400 else seen(node)[0]

    for behavior, networks, outcome in (
        ("use_always", "", "203.0.113.7"),
        ("allow_authorized", "10.0.0.0/8", "127.0.0.1"),
        ("allow_authorized", "127.0.0.0/8", "203.0.113.7"),
        ("deny_unauthorized", "10.0.0.0/8", "hung up on"),
        ("deny_unauthorized", "127.0.0.0/8", "203.0.113.7"),
    ):
        named = f'proxy_protocol_authorized_addrs = "{networks}"' if networks else ""
        reload(f'proxy_protocol_behavior = "{behavior}"\n{named}')
        eventually(lambda outcome=outcome: {whose() for _ in range(12)} == {outcome})  # type: ignore[misc]  # a default binds it
    reload("")
    eventually(lambda: {whose() for _ in range(12)} == {"a broken request"})
    node.expect(200, "GET", "sys/health")
    assert node.whole()


def _listening(server: Server) -> list[int]:
    """The ports on which the server's processes listen, each once for each process."""
    sockets = set()
    for pid in server.pids():
        for one in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                sockets.add(str(one.readlink()))
    ports = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[3] == _LISTENS and f"socket:[{words[9]}]" in sockets:
            ports.append(int(words[1].partition(":")[2], 16))
    return ports
