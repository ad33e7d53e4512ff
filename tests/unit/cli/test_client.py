"""What goes over the wire, and what the user is told when it does not."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import self_signed

CLI = Callable[..., tuple[int, str, str]]
TLS_ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n{"data": {"over": "tls"}}'


def test_every_request_says_what_it_is_and_for_whom(cli: CLI, server: Any) -> None:
    words = ("-namespace=team", "-wrap-ttl=60", "-header=X-Own=a=b", "-mfa=m:1", "-policy-override")
    assert cli("kv", "put", *words, "secret/app", "user=u")[0] == 0
    preflight, write = server.vault.requests
    for request in (preflight, write):
        headers = request["headers"]
        assert headers["X-Vault-Request"] == "true"
        assert headers["X-Vault-Token"].startswith("s.")
        assert headers["X-Vault-Namespace"] == "team"
        assert headers["X-Own"] == "a=b"
        assert headers["X-Vault-MFA"] == "m:1"
        assert headers["X-Vault-Policy-Override"] == "true"
    assert "X-Vault-Wrap-TTL" not in preflight["headers"]
    assert write["headers"]["X-Vault-Wrap-TTL"] == "60"
    assert write["body"] == {"data": {"user": "u"}, "options": {}}


def test_a_patch_is_a_merge_patch(cli: CLI, server: Any) -> None:
    cli("kv", "put", "secret/app", "a=1")
    assert cli("kv", "patch", "secret/app", "b=2")[0] == 0
    assert server.vault.requests[-1]["method"] == "PATCH"
    assert server.vault.requests[-1]["headers"]["Content-Type"] == "application/merge-patch+json"


def test_without_the_patch_capability_it_reads_and_writes(cli: CLI, server: Any) -> None:
    cli("kv", "put", "secret/app", "a=1")
    answers = server.vault.answer

    def refuse(method: str, *rest: Any) -> Any:
        return (
            (403, {"errors": ["permission denied"]})
            if method == "PATCH"
            else answers(method, *rest)
        )

    server.vault.answer = refuse
    code, _, err = cli("kv", "patch", "secret/app", "b=2")
    assert (code, "recommend" in err) == (0, True)
    assert server.vault.requests[-1]["body"] == {
        "data": {"a": "1", "b": "2"},
        "options": {"cas": 1},
    }
    code, _, err = cli("kv", "patch", "-method=patch", "secret/app", "b=2")
    assert (code, "permission denied" in err) == (2, True)


def test_a_path_with_odd_characters_arrives_as_it_is(cli: CLI, server: Any) -> None:
    assert cli("read", "secret/data/a b?c#d%é")[0] == 2
    assert server.vault.requests[-1]["path"] == "secret/data/a b?c#d%é"


def test_several_errors_are_printed_one_a_line(cli: CLI, server: Any) -> None:
    server.vault.canned["kv/x"] = (400, {"errors": ["one", "two"]})
    assert cli("read", "kv/x") == (
        2,
        "",
        (
            "Error reading kv/x: Error making API request.\n\n"
            f"URL: GET {server.address}/v1/kv/x\nCode: 400. Errors:\n\n* one\n* two\n"
        ),
    )


def test_parameters_of_the_user_are_not_in_an_error(cli: CLI, server: Any) -> None:
    server.vault.canned["kv/x"] = (403, {"errors": ["permission denied"]})
    code, _, err = cli("read", "kv/x", "otp=hunter2", "version=3")
    assert code == 2
    assert "hunter2" not in err
    assert "?version=3" in err
    assert server.vault.requests[-1]["query"] == {"otp": "hunter2", "version": "3"}


def test_warnings_go_to_standard_error(cli: CLI, server: Any) -> None:
    server.vault.canned["kv/x"] = (200, {"data": {"k": "v"}, "warnings": ["mind the gap"]})
    code, out, err = cli("read", "kv/x")
    assert (code, out) == (0, "Key    Value\n---    -----\nk      v\n")
    assert err.startswith("WARNING!")
    assert "* mind the gap" in err


@pytest.mark.parametrize("token", ["hunter2\n\x00", "hunter2\nX-Evil: 1", "hunter2\x7f"])
def test_a_token_that_cannot_be_sent_is_refused_and_not_shown(cli: CLI, token: str) -> None:
    code, out, err = cli("token", "lookup", env={"CUSTODY_TOKEN": token})
    assert (code, out) == (1, "")
    assert "the token holds characters that cannot be sent" in err
    assert "hunter2" not in err


def test_an_answer_that_is_not_json_is_shown_as_it_is(cli: CLI, server: Any) -> None:
    server.vault.canned["kv/x"] = (200, ["not", "an", "object"])
    code, _, err = cli("read", "kv/x")
    assert code == 2
    assert 'Raw Message:\n\n["not", "an", "object"]' in err


def test_nobody_listening_says_what_to_do_next(cli: CLI) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    code, _, err = cli("kv", "list", "secret", env={"CUSTODY_ADDR": address})
    assert code == 2
    assert f"cannot reach the server at {address}: connection refused" in err
    assert "Is the server running there?" in err
    assert cli("status", env={"CUSTODY_ADDR": address})[0] == 1


def test_https_to_a_plain_server_names_the_other_scheme(cli: CLI, server: Any) -> None:
    address = server.address.replace("http:", "https:")
    code, _, err = cli("kv", "list", "secret", env={"CUSTODY_ADDR": address})
    assert code == 2
    assert "The server answered without TLS" in err


def test_a_redirect_is_followed_with_method_and_body(
    cli: CLI, server: Any, fresh_server: Any
) -> None:
    server.vault.redirect = fresh_server.address
    assert cli("write", "sys/init", "secret_shares=3")[0] == 0
    request = fresh_server.vault.requests[-1]
    assert (request["method"], request["body"]) == ("PUT", {"secret_shares": "3"})
    code, _, err = cli("write", "-disable-redirects", "sys/init", "a=b")
    assert (code, "Code: 307." in err) == (2, True)
    assert len(fresh_server.vault.requests) == 1


def test_a_redirect_is_followed_once(cli: CLI, server: Any) -> None:
    server.vault.redirect = "/elsewhere"
    code, _, err = cli("read", "kv/x")
    assert (code, "Code: 307." in err) == (2, True)
    assert [request["path"] for request in server.vault.requests] == ["kv/x", "/elsewhere/v1/kv/x"]


class TLSServer:
    """Answers one kind of request over TLS, until it is closed."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.answer = TLS_ANSWER
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        while True:
            plain, _ = self.listener.accept()
            with plain:
                if plain.recv(1, socket.MSG_PEEK) == b"q":
                    return
                try:
                    with self.context.wrap_socket(plain, server_side=True) as wrapped:
                        wrapped.recv(65536)
                        wrapped.sendall(self.answer)
                except OSError:
                    continue  # a client that does not trust us, or speaks no TLS

    def close(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            last.sendall(b"q")
        self.thread.join()
        self.listener.close()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for the name vault.test, its key beside it."""
    return self_signed(tmp_path, addresses=())


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[TLSServer]:
    """A server with that certificate."""
    server = TLSServer(certificate, certificate.with_name("key.pem"))
    yield server
    server.close()


def test_a_certificate_is_verified_by_authority_and_name(
    cli: CLI, tls_server: TLSServer, certificate: Path
) -> None:
    env = {"CUSTODY_ADDR": f"https://127.0.0.1:{tls_server.port}"}
    code, _, err = cli("read", "kv/x", env=env)
    assert (code, "-ca-cert or CUSTODY_CACERT" in err) == (2, True)
    trusted = {**env, "CUSTODY_CACERT": str(certificate)}
    code, _, err = cli("read", "kv/x", env=trusted)
    assert (code, "its certificate is not trusted" in err) == (2, True)
    named = ("-tls-server-name=vault.test", "-field=over", "kv/x")
    assert cli("read", *named, env=trusted) == (0, "tls", "")
    pem = {**env, "CUSTODY_CACERT_BYTES": certificate.read_text()}
    assert cli("read", *named, env=pem) == (0, "tls", "")
    assert cli("read", "-tls-skip-verify", "-field=over", "kv/x", env=env) == (0, "tls", "")


def test_a_redirect_never_leads_away_from_tls(
    cli: CLI, server: Any, tls_server: TLSServer, certificate: Path
) -> None:
    location = f"Location: {server.address}/v1/kv/x".encode()
    tls_server.answer = b"HTTP/1.1 307 Moved\r\nContent-Length: 0\r\n" + location + b"\r\n\r\n"
    env = {
        "CUSTODY_ADDR": f"https://127.0.0.1:{tls_server.port}",
        "CUSTODY_CACERT": str(certificate),
        "CUSTODY_TLS_SERVER_NAME": "vault.test",
    }
    code, _, err = cli("read", "kv/x", env=env)
    assert (code, "protocol downgrade" in err) == (2, True)
    assert server.vault.requests == []


def test_http_to_a_tls_server_names_the_other_scheme(cli: CLI, tls_server: TLSServer) -> None:
    env = {"CUSTODY_ADDR": f"http://127.0.0.1:{tls_server.port}"}
    code, _, err = cli("read", "kv/x", env=env)
    assert code == 2
    assert "write its address with https://" in err


def test_a_missing_authority_file_is_a_local_mistake(cli: CLI) -> None:
    env = {"CUSTODY_ADDR": "https://127.0.0.1:1", "CUSTODY_CACERT": "/nowhere.pem"}
    code, _, err = cli("read", "kv/x", env=env)
    said = "cannot use the authority's certificates, /nowhere.pem (from CUSTODY_CACERT):"
    assert (code, err) == (1, f"{said} No such file or directory\n")
    env = {"CUSTODY_ADDR": "https://127.0.0.1:1", "VAULT_CACERT_BYTES": "no PEM"}
    assert cli("read", "kv/x", env=env)[2] == (
        "cannot use the authority's certificates, VAULT_CACERT_BYTES: not valid PEM\n"
    )


def test_a_certificate_and_a_key_in_each_others_place_are_told(cli: CLI, tmp_path: Path) -> None:
    self_signed(tmp_path)
    swapped = {"CUSTODY_CLIENT_CERT": f"{tmp_path}/key.pem",
               "CUSTODY_CLIENT_KEY": f"{tmp_path}/cert.pem"}  # fmt: skip
    code, _, err = cli("read", "kv/x", env={"CUSTODY_ADDR": "https://127.0.0.1:1", **swapped})
    said = f"{tmp_path}/key.pem (from CUSTODY_CLIENT_CERT) holds the key and {tmp_path}/cert.pem"
    assert (code, err) == (1, f"{said} (from CUSTODY_CLIENT_KEY) the certificate\n")


def test_an_answer_is_printed_as_it_came_when_asked_for(cli: CLI, server: Any) -> None:
    server.vault.canned["kv/x"] = (200, {"data": {"b": 1, "a": "é"}})
    assert cli("read", "-format=raw", "kv/x")[1] == '{"data": {"b": 1, "a": "\\u00e9"}}'
    code, out, err = cli("read", "-format=raw", "kv/none")
    assert (code, out, "Code: 404." in err) == (2, "", True)
    code, _, err = cli("list", "-format=raw", "kv/x")
    assert (code, err) == (1, "This command does not support the -format=raw option.\n")


def test_a_read_is_repeated_as_often_as_allowed_and_a_write_never(cli: CLI, server: Any) -> None:
    server.vault.canned["kv/x"] = (500, {"errors": ["later"]})
    env = {"VAULT_MAX_RETRIES": "1"}
    assert cli("read", "kv/x", env=env)[0] == 2
    assert len(server.vault.requests) == 2
    assert cli("write", "kv/x", "a=b", env=env)[0] == 2
    assert len(server.vault.requests) == 3
    code, _, err = cli("read", "kv/x", env={"CUSTODY_MAX_RETRIES": "-1"})
    assert (code, "MAX_RETRIES is a number" in err) == (1, True)


def test_headers_come_from_the_environment_too_and_none_of_vaults(cli: CLI, server: Any) -> None:
    cli("read", "-header=X-B=2", "kv/x", env={"VAULT_HEADERS": '{"X-A": "1", "X-B": "1"}'})
    headers = server.vault.requests[-1]["headers"]
    assert (headers["X-A"], headers["X-B"]) == ("1", "2")
    for words, env in (
        (("-header=X-Vault-Token=t",), {}),
        ((), {"CUSTODY_HEADERS": '{"x-vault-mfa": "t"}'}),
        ((), {"CUSTODY_HEADERS": "X-A=1"}),
    ):
        assert cli("read", *words, "kv/x", env=env)[0] == 1
    assert len(server.vault.requests) == 1
