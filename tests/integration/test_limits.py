"""What a real server bears: floods of silent connections, endless headers, bodies that never end.

The server runs with few descriptors, so that its limits are near: each of its three listeners
takes 196 connections in each of its two workers.
"""

import datetime as dt
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.frames import PREFACE, SETTINGS, data_frame, request_frames

from custody.serve.listeners import SPARE_FILES, connection_limit

FILES = 1100
WORKERS = 2
LIMIT = connection_limit(FILES, 3) * WORKERS
PROXY = b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 8200\r\n"
_RUN = f"""
import resource, sys
from custody.serve.supervisor import main
resource.setrlimit(resource.RLIMIT_NOFILE, ({FILES}, {FILES}))
sys.exit(main(sys.argv[1:]))
"""
_CONFIG = """
storage "lmdb" {{ path = "{directory}/data" }}
listener "tcp" {{
  address = "127.0.0.1:0"
  tls_disable = true
}}
listener "tcp" {{
  address = "127.0.0.1:0"
  tls_cert_file = "{directory}/cert.pem"
  tls_key_file = "{directory}/key.pem"
}}
listener "tcp" {{
  address = "127.0.0.1:0"
  tls_disable = true
  proxy_protocol_behavior = "use_always"
}}
workers = {workers}
"""


class Server:
    """A server in use, its ports and its root token."""

    def __init__(self, directory: Path) -> None:
        config = directory / "server.hcl"
        config.write_text(_CONFIG.format(directory=directory, workers=WORKERS))
        self.log = (directory / "log").open("wb")
        self.process = subprocess.Popen(  # noqa: S603 - our own server
            [sys.executable, "-c", _RUN, f"-config={config}"],
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        assert self.process.stdout is not None
        ports = re.findall(r":(\d+)", self.process.stdout.readline())
        self.plain, self.secure, self.proxied = (int(port) for port in ports)
        self.token = ""
        made = self.call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})[1]
        self.token = made["root_token"]
        self.call("PUT", "sys/unseal", {"key": made["keys"][0]})
        self.call("POST", "sys/mounts/secret", {"type": "kv-v2"})

    def call(self, method: str, path: str, body: object = None, port: int = 0) -> tuple[int, Any]:
        """Status and parsed body of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.plain, timeout=15)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, f"/v1/{path}", data, {"X-Vault-Token": self.token})
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text else None
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        """A connection to the plain listener."""
        return socket.create_connection(("127.0.0.1", self.plain), timeout=15)

    def send(self, *lines: str, then: bytes = b"") -> socket.socket:
        """A connection on which these lines of a header were sent, with the token."""
        connection = self.connect()
        head = "\r\n".join((*lines, "Host: x", f"X-Vault-Token: {self.token}", "", ""))
        connection.sendall(head.encode() + then)
        return connection

    def close(self) -> None:
        """End it without ceremony."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.log.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of this file: each must leave it healthy."""
    directory = tmp_path_factory.mktemp("limits")
    _certify(directory)
    one = Server(directory)
    try:
        yield one
    finally:
        one.close()


def _certify(directory: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    (directory / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    plain = serialization.NoEncryption()
    (directory / "key.pem").write_bytes(key.private_bytes(pem, pkcs8, plain))


def _answer(connection: socket.socket) -> tuple[int, bytes]:
    with connection:
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status, response.read()


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


@pytest.mark.parametrize(
    "begin", [b"", b"PROXY TCP4 203.0", PROXY, PROXY + b"GET /v1/sys/health HT"]
)
def test_as_many_behind_proxies_let_health_answer_within_a_second(
    server: Server, begin: bytes
) -> None:
    held: list[socket.socket] = []
    try:
        for _ in range(2 * LIMIT):
            held.append(socket.create_connection(("127.0.0.1", server.proxied), timeout=15))
            held[-1].sendall(begin)
        for port in (server.proxied, server.plain):
            started = time.monotonic()
            assert server.call("GET", "sys/health", port=port)[0] == 200
            assert time.monotonic() - started < 1
    finally:
        for one in held:
            one.close()


@pytest.mark.parametrize("kind", ["tcp", "half a header", "tls", "h2"])
def test_twice_the_limit_of_silent_connections_lets_health_answer_within_a_second(
    server: Server, kind: str
) -> None:
    context = _context()
    held: list[socket.socket] = []
    try:
        for _ in range(2 * LIMIT):
            port = server.secure if kind == "tls" else server.plain
            one = socket.create_connection(("127.0.0.1", port), timeout=15)
            if kind == "tls":
                one = context.wrap_socket(one)
            elif kind == "h2":
                one.sendall(PREFACE + SETTINGS)
            elif kind == "half a header":
                one.sendall(b"GET /v1/sys/health HT")
            held.append(one)
        started = time.monotonic()
        assert server.call("GET", "sys/health")[0] == 200
        assert time.monotonic() - started < 1
    finally:
        for one in held:
            one.close()


def test_the_limit_is_what_the_files_allow() -> None:
    assert LIMIT == (FILES - SPARE_FILES) // 3 * WORKERS
    assert connection_limit(os.sysconf("SC_OPEN_MAX")) >= 1


def test_a_length_over_the_limit_is_refused_before_the_body_comes(server: Server) -> None:
    connection = server.send("POST /v1/secret/data/a HTTP/1.1", "Content-Length: 100000000")
    status, body = _answer(connection)
    assert (status, body) == (413, b'{"errors":["http: request body too large"]}\n')


def test_a_chunked_body_over_the_limit_is_refused_while_it_comes(server: Server) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    connection = server.send("POST /v1/sys/init HTTP/1.1", "Transfer-Encoding: chunked")
    sent = 0
    try:
        for sent in range(1000):  # noqa: B007 how far it came is what counts
            connection.sendall(chunk)
    except OSError:
        assert sent < 999
        connection.close()
        return
    assert _answer(connection)[0] == 413


def test_a_client_that_leaves_before_the_last_byte_has_written_nothing(server: Server) -> None:
    body = b'{"data":{"a":"b"}}'
    for framing, part in (
        (f"Content-Length: {len(body) + 1}", body),
        ("Transfer-Encoding: chunked", b"%x\r\n%s\r\n" % (len(body), body)),
    ):
        server.send("POST /v1/secret/data/left HTTP/1.1", framing, then=part).close()
    half = server.send(
        "POST /v1/secret/data/left HTTP/1.1", f"Content-Length: {len(body) + 1}", then=body
    )
    half.shutdown(socket.SHUT_WR)
    half.close()
    assert server.call("GET", "sys/health")[0] == 200
    assert server.call("GET", "secret/data/left")[0] == 404


def test_a_header_or_a_path_has_a_size(server: Server) -> None:
    for lines, statuses in (
        (("GET /v1/sys/health HTTP/1.1", "X: " + "x" * 70_000), {431}),
        (("GET /v1/sys/health HTTP/1.1", *(f"X-{n}: 1" for n in range(5000))), {400, 431}),
        (("GET /v1/" + "x" * 8190 + " HTTP/1.1",), {414}),
        (("GET /v1/" + "x" * 70_000 + " HTTP/1.1",), {414, 431}),
    ):
        assert _answer(server.send(*lines))[0] in statuses
    assert _answer(server.send("GET /v1/sys/health HTTP/1.1", "X: " + "x" * 60_000))[0] == 200


@pytest.mark.parametrize(
    "lines",
    [
        ("POST /v1/secret/data/a HTTP/1.1", "Content-Length: 2", "Content-Length: 3"),
        ("POST /v1/secret/data/a HTTP/1.1", "Content-Length: x"),
        ("POST /v1/secret/data/a HTTP/1.1", "Content-Length: -1"),
        ("GET /v1/sys/health HTTP/1.1", "X\0Y: 1"),
        ("GET /v1/sys/he alth HTTP/1.1",),
    ],
)
def test_a_header_that_is_none_is_refused(server: Server, lines: tuple[str, ...]) -> None:
    assert _answer(server.send(*lines))[0] == 400


def test_http_2_has_the_limits_of_http_1(server: Server) -> None:
    assert b"request body too large" in _h2(server, {"content-length": "100000000"})
    assert b"no data provided" in _h2(server, {"content-length": "2"}, b"{}")
    # A header list beyond the limit resets the stream or the connection, at once.
    started = time.monotonic()
    flood = _h2(server, {f"x-{number}": "y" * 900 for number in range(100)})
    assert b"data" not in flood
    assert time.monotonic() - started < 5


def _h2(server: Server, headers: dict[str, str], body: bytes = b"") -> bytes:
    """Everything that comes back on an HTTP/2 connection after one POST."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/v1/secret/data/h2",
        ":authority": "x",
        "x-vault-token": server.token,
        **headers,
    }
    frames = request_frames(fields, ends=False)
    if body:
        frames += data_frame(body)
    with server.connect() as connection:
        connection.sendall(PREFACE + SETTINGS + frames)
        connection.settimeout(1)
        received = b""
        try:
            while chunk := connection.recv(65_536):
                received += chunk
        except (TimeoutError, ConnectionError):
            pass
        return received
