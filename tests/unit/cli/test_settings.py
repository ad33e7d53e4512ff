"""Where settings come from, and which of several wins."""

from pathlib import Path

import pytest

from custody.cli.environment import Environment, parse_switch
from custody.cli.errors import UsageError
from custody.cli.flags import Options
from custody.cli.settings import Connection, connection


def settle(env: dict[str, str], flags: dict[str, str], home: Path) -> Connection:
    options = Options({name: [value] for name, value in flags.items()})
    environment = Environment({"HOME": str(home), **env})
    return connection(options, environment, with_token=True)


def test_the_default_address_is_vaults(tmp_path: Path) -> None:
    assert settle({}, {}, tmp_path).address.geturl() == "https://127.0.0.1:8200"


@pytest.mark.parametrize(
    ("env", "flags", "wins"),
    [
        ({"VAULT_ADDR": "http://v:1"}, {}, "http://v:1"),
        ({"VAULT_ADDR": "http://v:1", "BAO_ADDR": "http://b:1"}, {}, "http://b:1"),
        ({"BAO_ADDR": "http://b:1", "CUSTODY_ADDR": "http://c:1"}, {}, "http://c:1"),
        ({"BAO_ADDR": "http://b:1", "CUSTODY_ADDR": ""}, {}, "http://b:1"),
        ({"CUSTODY_ADDR": "http://c:1"}, {"address": "http://f:1/"}, "http://f:1"),
    ],
)
def test_an_option_wins_over_custody_over_bao_over_vault(
    env: dict[str, str], flags: dict[str, str], wins: str, tmp_path: Path
) -> None:
    assert settle(env, flags, tmp_path).address.geturl() == wins


def test_every_setting_has_its_variable_and_its_option(tmp_path: Path) -> None:
    env = {
        "VAULT_NAMESPACE": "team", "BAO_CACERT": "/ca.pem", "CUSTODY_TLS_SERVER_NAME": "name",
        "VAULT_SKIP_VERIFY": "true", "CUSTODY_CLIENT_TIMEOUT": "5s", "CUSTODY_WRAP_TTL": "60",
    }  # fmt: skip
    found = settle(env, {"namespace": "other", "header": "X-A=b"}, tmp_path)
    assert (found.namespace, found.tls.ca_cert, found.tls.server_name) == (
        "other",
        "/ca.pem",
        "name",
    )
    assert (found.tls.skip_verify, found.timeout, found.wrap_ttl) == (True, 5.0, "60")
    assert [(name, value.reveal()) for name, value in found.headers] == [("X-A", "b")]


def test_the_token_of_the_environment_wins_over_the_stored_one(tmp_path: Path) -> None:
    (tmp_path / ".vault-token").write_text("stored\n")
    stored, given = settle({}, {}, tmp_path).token, settle({"BAO_TOKEN": "g"}, {}, tmp_path).token
    assert stored is not None
    assert given is not None
    assert (stored.reveal(), given.reveal()) == ("stored", "g")


def test_the_token_file_may_be_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("t")
    token = settle({"BAO_TOKEN_PATH": str(tmp_path / "elsewhere")}, {}, tmp_path).token
    assert token is not None
    assert token.reveal() == "t"
    assert settle({}, {}, tmp_path).token is None


def test_nothing_secret_is_in_a_repr(tmp_path: Path) -> None:
    env = {"CUSTODY_TOKEN": "hunter2", "CUSTODY_MFA": "hunter2"}
    assert "hunter2" not in repr(settle(env, {"header": "X-A=hunter2"}, tmp_path))
    assert "hunter2" not in repr(Environment(env))


@pytest.mark.parametrize(
    "address", ["127.0.0.1:8200", "ftp://x", "http://", "http://x:99999", "http://[x"]
)
def test_an_address_that_is_no_url_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="https://host:8200"):
        settle({"CUSTODY_ADDR": address}, {}, tmp_path)


def test_an_address_with_a_password_is_refused_without_showing_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        settle({"CUSTODY_ADDR": "https://user:hunter2@host"}, {}, tmp_path)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("timeout", ["soon", "0", "-1s"])
def test_a_timeout_that_is_none_is_refused(timeout: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="60s"):
        settle({"CUSTODY_CLIENT_TIMEOUT": timeout}, {}, tmp_path)


def test_switches_are_gos_booleans() -> None:
    assert parse_switch("T", "x")
    assert not parse_switch("0", "x")
    with pytest.raises(UsageError, match="for x"):
        parse_switch("yes", "x")
    assert not Environment({}).switch("SKIP_VERIFY")


def test_without_a_home_the_token_file_has_no_place() -> None:
    with pytest.raises(UsageError, match="HOME is not set"):
        _ = Environment({}).token_file
