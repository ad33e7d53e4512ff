"""What a configuration file says, what it may not say, and how the refusal reads."""

from pathlib import Path

import pytest

from custody.serve.config import BadConfiguration, child_environment, load
from custody.serve.settings import Listener, Settings

_STORAGE = 'storage "lmdb" { path = "/data" }\n'
_LISTENER = 'listener "tcp" { address = "127.0.0.1:8200"\n tls_disable = true }\n'
_MINIMAL = _STORAGE + _LISTENER


def _load(directory: Path, text: str) -> tuple[Settings, list[str]]:
    path = directory / "server.hcl"
    path.write_text(text)
    return load([f"-config={path}"])


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
        (_MINIMAL + 'seal "awskms" {}', "seal: this release unseals by Shamir shares only"),
        (_MINIMAL + _LISTENER, "two listeners have the same address"),
        (_MINIMAL + 'audit "syslog" "x" {}', 'unknown audit device "syslog"'),
        (_MINIMAL + 'audit "file" {}', "audit needs 2 name(s)"),
        (_MINIMAL + 'audit "file" { options {} }', "file_path is required"),
        (
            _MINIMAL + 'audit "file" "x" { options { file_path = "/data/a.log" } }',
            'audit "x": file_path is inside the data directory',
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
        (_STORAGE + 'listener "unix" {}', "unknown listener"),
        (_STORAGE + 'listener "tcp" { address = "127.0.0.1:http" }', "is not an address"),
        (_STORAGE + 'listener "tcp" { adress = "x" }', 'did you mean "address"?'),
        (
            _STORAGE + 'listener "tcp" { tls_require_and_verify_client_cert = true }',
            "does not verify client certificates",
        ),
        (
            _STORAGE + 'listener "tcp" { tls_cert_file = "/no/c" \n tls_key_file = "/no/k" }',
            "cannot read /no/c",
        ),
        ("storage {", "1:"),
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
