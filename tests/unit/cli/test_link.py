"""How the server is reached: through proxies, with certificates of no file, and how fast."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import client_of, self_signed
from tests.unit.cli.accepting import Accepting, found, head_of

CLI = Callable[..., tuple[int, str, str]]


class Proxy(Accepting):
    """Notes the head of each request; carries CONNECT through, answers others itself."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        super().__init__()
        self.address = f"http://user:pass%21@127.0.0.1:{self.port}"

    def answer(self, link: socket.socket) -> None:
        head = head_of(link)
        self.heads.append(head.decode())
        if head.startswith(b"CONNECT"):
            self.carry(link, head.split()[1].decode())
        else:
            link.sendall(found(b'{"data": {"by": "proxy"}}'))

    def carry(self, link: socket.socket, where: str) -> None:
        host, _, port = where.rpartition(":")
        with socket.create_connection((host, int(port))) as onward:
            link.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=self.pump, args=(onward, link))
            back.start()
            self.pump(link, onward)
            back.join()

    def pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return


class DemandingServer:
    """Answers over TLS whoever shows a certificate of its authority."""

    def __init__(self, files: Path) -> None:
        context = ssl.create_default_context(
            ssl.Purpose.CLIENT_AUTH, cafile=str(files / "cert.pem")
        )
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as rustls, which real servers have
        context.load_cert_chain(files / "cert.pem", files / "key.pem")
        self.context = context
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"https://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                plain, _ = self.listener.accept()
                with plain, self.context.wrap_socket(plain, server_side=True) as link:
                    link.recv(65536)
                    body = b'{"data": {"by": "tls"}}'
                    link.sendall(
                        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
                    )
            except OSError:
                if self.listener.fileno() < 0:
                    return


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    made = Proxy()
    yield made
    made.listener.close()


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    made = tmp_path / "authority"
    made.mkdir()
    return self_signed(made).parent


@pytest.fixture
def demanding(authority: Path) -> Iterator[DemandingServer]:
    made = DemandingServer(authority)
    yield made
    made.listener.close()


@pytest.fixture
def shown(authority: Path, tmp_path: Path) -> dict[str, str]:
    """The environment that has the client's certificate in it."""
    client = tmp_path / "client"
    client.mkdir()
    client_of(authority, client)
    return {
        "VAULT_CLIENT_CERT_BYTES": (client / "cert.pem").read_text(),
        "VAULT_CLIENT_KEY_BYTES": (client / "key.pem").read_text(),
        "VAULT_CACERT": str(authority / "cert.pem"),
    }


def test_a_certificate_may_be_in_the_environment(
    cli: CLI, demanding: DemandingServer, shown: dict[str, str]
) -> None:
    env = {**shown, "CUSTODY_ADDR": demanding.address}
    assert cli("read", "-field=by", "x", env=env) == (0, "tls", "")
    assert cli("read", "-field=by", "x", env={**env, "VAULT_CLIENT_CERT_BYTES": ""})[0] == 2


def test_a_request_over_tls_passes_through_a_proxy_that_sees_nothing_of_it(
    cli: CLI, demanding: DemandingServer, shown: dict[str, str], proxy: Proxy
) -> None:
    env = {**shown, "CUSTODY_ADDR": demanding.address, "VAULT_PROXY_ADDR": proxy.address}
    assert cli("read", "-field=by", "x", env=env) == (0, "tls", "")
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT {demanding.address.removeprefix('https://')} ")
    assert "Proxy-Authorization: Basic dXNlcjpwYXNzIQ==" in head
    assert "X-Vault-Token" not in head


def test_a_plain_request_is_handed_to_the_proxy_whole(cli: CLI, proxy: Proxy) -> None:
    env = {"CUSTODY_ADDR": "http://custody.example.com", "HTTP_PROXY": proxy.address}
    assert cli("read", "-field=by", "x", env=env) == (0, "proxy", "")
    assert proxy.heads[0].startswith("GET http://custody.example.com/v1/x HTTP/1.1\r\n")
    assert "Host: custody.example.com\r\n" in proxy.heads[0]


@pytest.mark.parametrize("name", ["example.com", ".example.com", "custody.example.com", "*"])
def test_a_host_that_needs_no_proxy_is_dialled_directly(cli: CLI, proxy: Proxy, name: str) -> None:
    env = {"CUSTODY_ADDR": "http://custody.example.com:1", "http_proxy": proxy.address}
    assert cli("read", "x", env={**env, "NO_PROXY": f"other, {name}"})[0] == 2
    assert proxy.heads == []


def test_this_machine_needs_no_proxy_unless_one_is_named_for_the_server(
    cli: CLI, server: Any, proxy: Proxy
) -> None:
    server.vault.canned["x"] = (200, {"data": {"by": "server"}})
    assert cli("read", "-field=by", "x", env={"HTTP_PROXY": proxy.address})[1] == "server"
    assert cli("read", "-field=by", "x", env={"BAO_PROXY_ADDR": proxy.address})[1] == "proxy"


@pytest.mark.parametrize(
    ("env", "text"),
    [
        ({"CUSTODY_PROXY_ADDR": "socks5://x:hunter2@y"}, "the proxy's address is not a URL"),
        ({"CUSTODY_PROXY_ADDR": "http://[x"}, "the proxy's address is not a URL"),
        ({"CUSTODY_SRV_LOOKUP": "true"}, "SRV_LOOKUP is not understood"),
        ({"CUSTODY_RATE_LIMIT": "fast"}, "RATE_LIMIT is written as"),
        ({"CUSTODY_RATE_LIMIT": "0"}, "RATE_LIMIT is written as"),
        ({"CUSTODY_RATE_LIMIT": "1:0"}, "RATE_LIMIT is written as"),
    ],
)
def test_what_cannot_be_done_is_said(cli: CLI, env: dict[str, str], text: str) -> None:
    code, _, err = cli("read", "x", env=env)
    assert (code, text in err, "hunter2" in err) == (1, True, False)


def test_requests_follow_each_other_no_faster_than_allowed(cli: CLI, server: Any) -> None:
    server.vault.canned["x"] = (500, {"errors": []})
    began = time.monotonic()
    cli("kv", "get", "secret/a", env={"VAULT_RATE_LIMIT": "5:1"})  # two requests
    assert time.monotonic() - began > 0.15
    assert len(server.vault.requests) == 2


def test_an_address_of_a_unix_socket_must_name_it(cli: CLI) -> None:
    code, _, err = cli("read", "secret/a", env={"CUSTODY_ADDR": "unix://"})
    assert code == 1
    assert "names no socket" in err


def test_no_proxy_stands_before_a_unix_socket(cli: CLI, proxy: Proxy) -> None:
    code, _, err = cli(
        "read", "secret/a",
        env={"CUSTODY_ADDR": "unix:///nowhere/s", "CUSTODY_PROXY_ADDR": proxy.address},
    )  # fmt: skip
    assert code == 2
    assert "cannot reach the server at unix:///nowhere/s: there is no such socket" in err
    assert proxy.heads == []
