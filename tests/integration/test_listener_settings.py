"""What a listener's settings do to real requests: proxies, added headers, sizes."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.certificates import client_of, self_signed, trusting_any
from tests.harness import Client, Server

_LISTENER = """
tls_disable = true
x_forwarded_for_authorized_addrs = "127.0.0.0/8"
x_forwarded_for_reject_not_present = false
max_request_size = 8192
max_request_json_strings = 100
custom_response_headers {
  "default" = { "Strict-Transport-Security" = ["max-age=1"] }
  "403"     = { "X-Denied" = ["yes"] }
}
"""


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Server]:
    """A server behind a proxy on this machine."""
    with Server(tmp_path, listener=_LISTENER) as server:
        server.initialise()
        server.mount()
        yield server


def headers_of(server: Server, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        link.request("GET", f"/v1/{path}", headers=named)
        response = link.getresponse()
        response.read()
        return response.status, {name.lower(): value for name, value in response.getheaders()}
    finally:
        link.close()


def test_the_audit_record_and_the_tokens_networks_see_the_forwarded_client(
    proxied: Server,
) -> None:
    status, _ = headers_of(
        proxied, "secret/data/x", X_Vault_Token=proxied.token, X_Forwarded_For="203.0.113.9"
    )
    assert status == 404
    assert proxied.records()[-1]["request"]["remote_address"] == "203.0.113.9"
    status, _ = headers_of(proxied, "sys/health", X_Forwarded_For="no address")
    assert status == 400


def test_headers_are_added_by_status_and_replace_ours(proxied: Server) -> None:
    status, found = headers_of(proxied, "sys/health")
    assert (status, found["strict-transport-security"]) == (200, "max-age=1")
    assert "x-denied" not in found
    status, found = headers_of(proxied, "secret/data/x")
    assert (status, found["x-denied"], found["cache-control"]) == (403, "yes", "no-store")


def test_a_request_over_the_listeners_limit_is_refused_before_the_routes(proxied: Server) -> None:
    body = json.dumps({"data": {"k": "v" * 8192}}).encode()
    assert proxied.call("PUT", "secret/data/x", body).status == 413
    assert proxied.call("PUT", "secret/data/x", {"data": {"k": "v" * 4000}}).status == 200


def test_only_clients_with_a_certificate_of_the_authority_are_taken(tmp_path: Path) -> None:
    server_files, known_files, other_files = (tmp_path / name for name in ("own", "known", "other"))
    for directory in (server_files, known_files, other_files):
        directory.mkdir()
    self_signed(server_files)  # the authority, too
    client_of(server_files, known_files)
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    self_signed(stranger)
    client_of(stranger, other_files)
    listener = f"""
        tls_cert_file = "{server_files}/cert.pem"
        tls_key_file = "{server_files}/key.pem"
        tls_client_ca_file = "{server_files}/cert.pem"
        tls_require_and_verify_client_cert = true
    """
    known = trusting_any()
    known.load_cert_chain(known_files / "cert.pem", known_files / "key.pem")
    with Server(tmp_path, listener=listener, tls=known) as server:
        server.initialise()
        for shown in (None, other_files):
            other = trusting_any()
            if shown is not None:
                other.load_cert_chain(shown / "cert.pem", shown / "key.pem")
            with (
                Client(server.port, tls=other) as client,
                pytest.raises((OSError, http.client.HTTPException)),
            ):
                client.call("GET", "sys/health")
        server.expect(200, "GET", "sys/health")


def test_json_of_more_texts_than_the_listener_takes_is_refused(proxied: Server) -> None:
    with proxied.client() as client:
        client.headers["X-Forwarded-For"] = "203.0.113.9"
        client.expect(200, "PUT", "secret/data/x", {"data": {"list": ["x"] * 98}})
        answer = client.expect(400, "PUT", "secret/data/x", {"data": {"list": ["x"] * 99}})
    assert "exceeded maximum number of strings" in answer.body["errors"][0]
