"""What a configuration file says, what it may not say, and how the refusal reads."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from tests.certificates import Key, self_signed

from custody.serve import certificate
from custody.serve.config import BadConfiguration, child_environment, load
from custody.serve.settings import (
    TLS,
    Forwarded,
    Listener,
    ProxyProtocol,
    Settings,
    SocketFile,
)

_STORAGE = 'storage "lmdb" { path = "/data" }\n'
_LISTENER = 'listener "tcp" { address = "127.0.0.1:8200"\n tls_disable = true }\n'
_MINIMAL = _STORAGE + _LISTENER


def _proxied(line: str) -> str:
    """A listener with one more line."""
    return _STORAGE + f'listener "tcp" {{ address = "0.0.0.0:1" \n tls_disable = true \n {line} }}'


def _certified(line: str) -> str:
    files = f'tls_cert_file = "{__file__}" \n tls_key_file = "{__file__}"'
    return _STORAGE + f'listener "tcp" {{ {files} \n {line} }}'


def _custom(line: str) -> str:
    return _proxied(f"custom_response_headers {{ {line} }}")


def _load(directory: Path, text: str) -> tuple[Settings, list[str]]:
    path = directory / "server.hcl"
    path.write_text(text)
    return load([f"-config={path}"], {})


def test_a_configuration_of_vaults_form_is_read_whole(tmp_path: Path) -> None:
    settings, warnings = _load(
        tmp_path,
        _MINIMAL
        + """
        audit "file" "main" { description = "all" options { file_path = "/a.log" hmac = true } }
        disable_mlock = true
        api_addr = "http://here:8200"
        cluster_name = "blue"
        log_level = "debug"
        default_lease_ttl = "1h"
        max_lease_ttl = "24h"
        workers = 3
        audit_fsync = "always"
        """,
    )
    assert warnings == []
    assert settings.listeners == [Listener("127.0.0.1", 8200)]
    assert settings.data_path == "/data"
    device = settings.audit[0]
    assert (device.kind, device.path, device.description) == ("file", "main", "all")
    assert device.options == {"file_path": "/a.log", "hmac": "true", "fsync": "always"}
    assert (settings.default_lease_ttl, settings.max_lease_ttl) == (3600, 86400)
    assert (settings.api_addr, settings.cluster_name) == ("http://here:8200", "blue")
    assert (settings.log_level, settings.workers) == ("debug", 3)


def test_json_says_the_same_as_hcl(tmp_path: Path) -> None:
    path = tmp_path / "server.json"
    path.write_text(
        '{"storage": {"lmdb": {"path": "/data"}},'
        ' "listener": [{"tcp": {"address": "127.0.0.1:8200", "tls_disable": "true"}}],'
        ' "audit": {"file": {"main": {"options": {"file_path": "/a.log"}}}}}'
    )
    settings, _ = load(["-config", str(path)])
    assert settings.listeners == [Listener("127.0.0.1", 8200)]
    assert settings.audit[0].options == {"file_path": "/a.log"}


def test_files_of_a_directory_are_merged_in_order_and_the_last_word_counts(tmp_path: Path) -> None:
    (tmp_path / "1.hcl").write_text(_MINIMAL + 'cluster_name = "one"')
    (tmp_path / "2.json").write_text('{"cluster_name": "two"}')
    (tmp_path / "notes.txt").write_text("not a configuration")
    settings, _ = load([f"-config={tmp_path}"])
    assert settings.cluster_name == "two"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (_MINIMAL + "log_levle = 1", 'unknown key "log_levle"; did you mean "log_level"?'),
        (_MINIMAL + "workers = 0", "workers is a number from 1 to 32"),
        (_MINIMAL + 'log_level = "loud"', "log_level is one of"),
        (_MINIMAL + 'max_lease_ttl = "soon"', 'max_lease_ttl: time: invalid duration "soon"'),
        (_MINIMAL + 'max_lease_ttl = "1h"', "default_lease_ttl is longer than max_lease_ttl"),
        (_MINIMAL + 'seal "awskms" {}', 'unknown seal "awskms"; this release has shamir'),
        (_MINIMAL + _LISTENER, "two listeners have the same address"),
        (_MINIMAL + 'audit "syslog" "x" {}', 'unknown audit device "syslog"'),
        (_MINIMAL + 'audit "file" {}', "audit needs 2 name(s)"),
        (_MINIMAL + 'audit "file" { options {} }', "file_path is required"),
        (
            _MINIMAL + 'audit "file" "x" { options { file_path = "/data/a.log" } }',
            'audit "x": file_path is inside the data directory',
        ),
        (
            _MINIMAL
            + "".join(
                f'audit "file" "{name}" {{ options {{ file_path = "/{path}a.log" }} }}\n'
                for name, path in (("x", ""), ("y", "logs/../"))
            ),
            'audit "y": file_path is the file of the audit device at x already',
        ),
        (_MINIMAL + "audit { options = {} }", "audit needs 2 name(s)"),
        (
            _MINIMAL + 'audit "file" "x" { option {} }',
            'unknown key "option"; did you mean "options"',
        ),
        (_LISTENER, "exactly one storage block is needed"),
        (_STORAGE, "no listener"),
        ('storage "raft" { path = "/x" }' + _LISTENER, "unknown storage raft"),
        ('storage "lmdb" {}' + _LISTENER, "storage lmdb needs a path"),
        (_STORAGE + 'listener "udp" {}', "unknown listener"),
        (_STORAGE + 'listener "tcp" { address = "127.0.0.1:http" }', "is not an address"),
        (_STORAGE + 'listener "tcp" { adress = "x" }', 'did you mean "address"?'),
        (
            _certified("tls_require_and_verify_client_cert = true"),
            "needs tls_client_ca_file, the authority of the clients",
        ),
        (
            _certified(f'tls_client_ca_file = "{__file__}"'),
            "tls_client_ca_file needs tls_require_and_verify_client_cert = true",
        ),
        (
            _certified('tls_client_ca_file = "/no" \n tls_require_and_verify_client_cert = true'),
            "cannot read /no",
        ),
        (
            _STORAGE + 'listener "tcp" { tls_cert_file = "/no/c" \n tls_key_file = "/no/k" }',
            "cannot read /no/c",
        ),
        ("storage {", "1:"),
        (_LISTENER + 'proxy_protocol_behavior = "use_always"', 'unknown key "proxy_protocol'),
        (_proxied('proxy_protocol_behavior = "sometimes"'), "proxy_protocol_behavior is one of"),
        (
            _proxied('proxy_protocol_behavior = "allow_authorized"'),
            "needs proxy_protocol_authorized_addrs with allow_authorized",
        ),
        (
            _proxied('proxy_protocol_authorized_addrs = "10.0.0.0/8"'),
            "proxy_protocol_authorized_addrs needs proxy_protocol_behavior",
        ),
        (
            _proxied(
                'proxy_protocol_behavior = "deny_unauthorized"\n'
                ' proxy_protocol_authorized_addrs = "10.0.0.0/33"'
            ),
            "is not a network",
        ),
        (_proxied('chroot_namespace = "team/"'), "no namespaces to confine a listener to"),
        (_proxied("redact_version = true"), "cannot hide it"),
        (_proxied('tls_max_version = "tls12"\n tls_disable = false'), "are needed"),
        (_proxied("max_request_size = 1000"), "max_request_size is a number from 4096"),
        (_proxied("max_request_size = -1"), "max_request_size is a number from 0"),
        (_proxied("max_request_json_strings = 100001"), "max_request_json_strings is a number"),
        (_proxied('x_forwarded_for_authorized_addrs = "10.0.0.0/33"'), "is not a network"),
        (_proxied('x_forwarded_for_authorized_addrs = "10.0.0.1/8"'), "has host bits set"),
        (_proxied("x_forwarded_for_authorized_addrs = [1]"), "is a list of texts"),
        (_proxied("x_forwarded_for_hop_skips = 1"), "needs x_forwarded_for_authorized_addrs"),
        (_custom('"20x" = { "A" = "b" }'), '"20x" is not default, a class (2xx)'),
        (_custom('"200" = { "X-Vault-A" = "b" }'), "X-Vault-A is set by the server alone"),
        (_custom('"200" = { "Content-Length" = "1" }'), "is set by the server alone"),
        (_custom('"200" = { "A B" = "c" }'), '"A B" is not the name of a header'),
        (_custom('"200" = { "A" = ["a\\nb"] }'), "A holds characters that no header may have"),
        (_custom('"200" = { "A" = [5] }'), "A is a list of texts"),
        (_custom('"200" = "a"'), "200 is a block of headers"),
    ],
)
def test_what_cannot_be_used_is_refused_and_the_reason_named(
    tmp_path: Path, text: str, reason: str
) -> None:
    with pytest.raises(BadConfiguration) as caught:
        _load(tmp_path, text)
    assert reason in str(caught.value)


def test_a_key_of_vault_without_meaning_here_is_a_warning(tmp_path: Path) -> None:
    _, warnings = _load(tmp_path, _MINIMAL + "ui = true\ncache_size = 5")
    assert [warning.partition(": ")[2] for warning in warnings] == [
        '"ui" has no meaning here and is ignored',
        '"cache_size" has no meaning here and is ignored',
    ]


@pytest.mark.parametrize("address", ["0.0.0.0:8200", "10.0.0.1:8200", ":8200", "[::]:8200"])
def test_plain_http_beyond_loopback_must_be_asked_for_by_name(tmp_path: Path, address: str) -> None:
    with pytest.raises(BadConfiguration, match="tls_disable = true"):
        _load(tmp_path, _STORAGE + f'listener "tcp" {{ address = "{address}" }}')
    settings, _ = _load(
        tmp_path, _STORAGE + f'listener "tcp" {{ address = "{address}" \n tls_disable = 1 }}'
    )
    assert settings.listeners[0].tls is None
    assert settings.listeners[0].port == 8200


@pytest.mark.parametrize("address", ["127.0.0.1:8200", "[::1]:8200", "localhost:8200"])
def test_plain_http_on_loopback_is_allowed_with_a_warning(tmp_path: Path, address: str) -> None:
    settings, warnings = _load(tmp_path, _STORAGE + f'listener "tcp" {{ address = "{address}" }}')
    assert settings.listeners[0].address == address
    assert "plain HTTP, since the address is loopback" in warnings[0]


def test_half_a_certificate_is_refused_on_loopback_too(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="tls_cert_file and tls_key_file are needed"):
        _load(tmp_path, _STORAGE + 'listener "tcp" { tls_cert_file = "/x" }')


@pytest.mark.parametrize("argv", [[], ["-dev"], ["server.hcl"]])
def test_a_command_line_without_a_configuration_shows_the_usage(argv: list[str]) -> None:
    with pytest.raises(BadConfiguration, match="usage: custody server -config=FILE"):
        load(argv)


def test_children_inherit_places_and_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "planted")
    monkeypatch.setenv("PATH", "/bin")
    environment = child_environment()
    assert environment["PATH"] == "/bin"
    assert "VAULT_TOKEN" not in environment


def test_a_refusal_says_in_which_of_several_files_the_mistake_is(tmp_path: Path) -> None:
    (tmp_path / "a.hcl").write_text(_MINIMAL)
    bad = tmp_path / "b.hcl"
    bad.write_text('\naudit "file" "f" {\n  optoins { file_path = "/a.log" }\n}\n')
    with pytest.raises(BadConfiguration) as refused:
        load([f"-config={tmp_path}"])
    assert str(refused.value) == (
        f'{bad}:3, audit file f: unknown key "optoins"; did you mean "options"?'
    )


def test_a_wrong_value_is_told_with_its_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration) as refused:
        _load(tmp_path, _MINIMAL + "\n\nworkers = 99\n")
    assert str(refused.value).startswith(f"{tmp_path / 'server.hcl'}:6: workers is a number")
    with pytest.raises(BadConfiguration) as refused:
        _load(tmp_path, _STORAGE + '\nlistener "tcp" {\n  address = "nowhere:http"\n}')
    assert str(refused.value).startswith(f"{tmp_path / 'server.hcl'}:4, listener tcp: ")


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.hcl").write_text(_MINIMAL + "\nwrokers = 2\nlog_level = 5\n")
    (tmp_path / "b.hcl").write_text("listener {")
    (tmp_path / "c.hcl").write_text(
        'listener "tcp" {\n  address = "a:b"\n  max_request_size = -1\n'
        '  tls_cert_file = "/no/c"\n  tls_key_file = "/no/k"\n}\n'
        'seal "sattic" {}\naudit "file" "a" {}\naudit "file" "b" {}\n'
    )
    with pytest.raises(BadConfiguration) as refused:
        load([f"-config={tmp_path}"])
    said = [text.removeprefix(f"{tmp_path}/") for text in refused.value.faults]
    assert [text.partition(" ")[0] for text in said] == [
        "b.hcl:", "a.hcl:5:", "c.hcl:2,", "c.hcl:4,", "c.hcl:5,", "c.hcl:3,", "c.hcl:8,",
        "c.hcl:9,", "c.hcl:7:", "a.hcl:6:",
    ]  # fmt: skip
    assert str(refused.value) == "\n".join(refused.value.faults)


def test_a_certificate_and_its_key_in_each_others_place_are_told(tmp_path: Path) -> None:
    self_signed(tmp_path)
    cert, key = f"{tmp_path}/cert.pem", f"{tmp_path}/key.pem"
    certificate.check(TLS(cert, key))
    with pytest.raises(certificate.BadCertificate, match="swapped: tls_cert_file holds the key"):
        certificate.check(TLS(key, cert))


@pytest.mark.parametrize(
    ("make", "served"),
    [
        (lambda: rsa.generate_private_key(65537, 2048), True),
        (lambda: rsa.generate_private_key(65537, 4104), False),
        (lambda: ec.generate_private_key(ec.SECP256R1()), True),
        (lambda: ec.generate_private_key(ec.SECP384R1()), True),
        (lambda: ec.generate_private_key(ec.SECP521R1()), False),
        (ed25519.Ed25519PrivateKey.generate, True),
        (ed448.Ed448PrivateKey.generate, False),
    ],
)
def test_a_key_that_the_server_cannot_use_is_refused_before_a_worker_ends_of_it(
    tmp_path: Path,
    make: Callable[[], Key],
    served: bool,  # noqa: FBT001 a column of the table
) -> None:
    tls = TLS(str(self_signed(tmp_path, key=make())), str(tmp_path / "key.pem"))
    if served:
        certificate.check(tls)
        return
    with pytest.raises(certificate.BadCertificate, match="its key cannot be served"):
        certificate.check(tls)


@pytest.mark.parametrize("which", ["cert_file", "key_file", "client_ca_file"])
def test_a_pipe_in_place_of_a_certificate_is_refused_and_waited_for_by_nobody(
    tmp_path: Path, which: str
) -> None:
    tls = TLS(str(self_signed(tmp_path)), str(tmp_path / "key.pem"))
    os.mkfifo(tmp_path / "pipe")
    certificate.check(tls)
    with pytest.raises(certificate.BadCertificate, match="pipe: it is not a file"):
        certificate.check(msgspec.structs.replace(tls, **{which: str(tmp_path / "pipe")}))


def test_a_refused_key_that_asks_for_nothing_is_no_mistake(tmp_path: Path) -> None:
    settings, _ = _load(tmp_path, _proxied('redact_version = false\n proxy_protocol_behavior = ""'))
    assert settings.listeners[0].address == "0.0.0.0:1"


def test_a_listener_knows_whose_proxy_headers_it_believes(tmp_path: Path) -> None:
    given = 'proxy_protocol_authorized_addrs = ["10.0.0.0/8", "::1"]\n proxy_protocol_behavior = '
    settings, warnings = _load(tmp_path, _proxied(given + '"deny_unauthorized"'))
    known = settings.listeners[0].proxy_protocol
    assert known == ProxyProtocol("deny_unauthorized", ["10.0.0.0/8", "::1"])
    assert warnings == []
    _, warnings = _load(tmp_path, _proxied(given + '"use_always"'))
    assert warnings[0].endswith(
        "proxy_protocol_behavior is use_always, so proxy_protocol_authorized_addrs means nothing"
    )


def test_a_listener_knows_its_proxies_and_its_headers(tmp_path: Path) -> None:
    settings, warnings = _load(
        tmp_path,
        _proxied("""
        x_forwarded_for_authorized_addrs = ["10.0.0.0/8", "::1"]
        x_forwarded_for_hop_skips = "1"
        x_forwarded_for_reject_not_present = false
        max_request_size = 65536
        max_request_json_strings = 2000
        http_read_timeout = "5s"
        custom_response_headers {
          "default" = { "X-A" = ["one", "two"] }
          "2xx" = { "X-B" = "three" }
        }
        """),
    )
    assert warnings == []
    listener = settings.listeners[0]
    assert listener.forwarded == Forwarded(["10.0.0.0/8", "::1"], 1, reject_absent=False)
    assert listener.headers == {"default": {"x-a": "one; two"}, "2xx": {"x-b": "three"}}
    assert (listener.max_body, listener.body_timeout) == (65536, 5.0)
    assert listener.max_strings == 2000


def test_json_says_the_same_of_headers(tmp_path: Path) -> None:
    path = tmp_path / "server.json"
    path.write_text(
        '{"storage": {"lmdb": {"path": "/data"}}, "listener": {"tcp": {"address": "127.0.0.1:1",'
        ' "custom_response_headers": {"default": {"X-A": ["one"]}}}}}'
    )
    settings, _ = load([f"-config={path}"], {})
    assert settings.listeners[0].headers == {"default": {"x-a": "one"}}


def test_the_environment_wins_over_files_and_the_command_line_over_both(tmp_path: Path) -> None:
    path = tmp_path / "server.hcl"
    path.write_text(_MINIMAL + 'log_level = "warn"\napi_addr = "http://file"\nlog_format = "json"')
    environment = {
        "VAULT_API_ADDR": "http://vault",
        "BAO_REDIRECT_ADDR": "http://bao",
        "CUSTODY_LOG_LEVEL": "error",
        "BAO_LOG_FORMAT": "standard",
        "CUSTODY_LOG_FORMAT": "",
    }
    settings, _ = load([f"-config={path}", "-log-level", "debug"], environment)
    assert settings.api_addr == "http://bao"
    assert (settings.log_level, settings.log_format) == ("debug", "standard")
    with pytest.raises(BadConfiguration, match=r"^CUSTODY_LOG_LEVEL: log_level is one of"):
        load([f"-config={path}"], {"CUSTODY_LOG_LEVEL": "loud"})
    with pytest.raises(BadConfiguration, match=r"^-log-format: log_format is one of"):
        load([f"-config={path}", "--log-format=xml"], {})


def test_ceremonies_without_a_token_can_be_closed(tmp_path: Path) -> None:
    text = _STORAGE + _LISTENER.replace("{", "{ disable_unauthed_rekey_endpoints = true\n", 1)
    settings, warnings = _load(tmp_path, text)
    assert warnings == []
    listener = settings.listeners[0]
    assert (listener.closed_rekey, listener.closed_generate_root) == (True, False)


def _unix(line: str) -> str:
    return _STORAGE + f'listener "unix" {{ address = "/run/custody.sock"\n {line} }}'


def test_a_unix_socket_is_read_with_its_permissions(tmp_path: Path) -> None:
    settings, warnings = _load(
        tmp_path,
        _unix(
            'socket_mode = "0660"\n socket_user = "root"\n socket_group = "12"\n tls_disable = true'
        ),
    )
    assert warnings == []
    assert settings.listeners == [
        Listener("", 0, file=SocketFile("/run/custody.sock", 0o660, 0, 12))
    ]
    assert settings.listeners[0].url == "unix:///run/custody.sock"
    plain, _ = _load(tmp_path, _unix("max_request_size = 8192\nmax_request_json_strings = 0"))
    assert plain.listeners[0].file == SocketFile("/run/custody.sock", 0o600, -1, -1)
    assert plain.listeners[0].max_body == 8192


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('socket_mode = "rw"', '"rw" is not a mode as in 0660'),
        ('socket_mode = "1777"', "is not a mode as in 0660"),
        ('socket_user = "nobody-of-that-name"', 'there is no user "nobody-of-that-name"'),
        ('socket_group = "no-such-group"', 'there is no group "no-such-group"'),
        ('address = "run/s"', "a path that begins with /"),
        (f'address = "/{"a" * 107}"', "is over 107 bytes"),
        ('tls_cert_file = "/c"', "tls_cert_file: a Unix socket is served without TLS"),
        ('x_forwarded_for_authorized_addrs = "10.0.0.0/8"', "has no address by which a proxy"),
        ('proxy_protocol_behavior = "use_always"', "has no address by which a proxy"),
        ('socket_modes = "0660"', 'did you mean "socket_mode"?'),
    ],
)
def test_what_a_unix_socket_cannot_have_is_refused(tmp_path: Path, line: str, reason: str) -> None:
    with pytest.raises(BadConfiguration) as caught:
        _load(tmp_path, _unix(line))
    assert reason in str(caught.value)


def test_two_listeners_of_one_path_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="two listeners have the same address"):
        _load(tmp_path, _unix("") + _unix("").removeprefix(_STORAGE))
