"""`custody doctor`: what it finds on a client and asks of a server."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.conftest import ROOT_TOKEN

from custody import __version__
from custody.base.clock import NANOSECOND, SystemClock

CLI = Callable[..., tuple[int, str, str]]


@pytest.fixture
def health(server: Any) -> dict[str, Any]:
    """What the server says of itself; a test may change it."""
    told = {
        "initialized": True,
        "sealed": False,
        "version": __version__,
        "server_time_utc": SystemClock().now_ns() // NANOSECOND,
    }
    server.vault.canned["sys/health"] = (200, told)
    server.vault.canned["sys/verify"] = (403, {"errors": ["permission denied"]})
    return told


def findings(cli: CLI, *words: str, **env: str) -> dict[str, tuple[str, str]]:
    """By text: state and fix."""
    _, out, _ = cli("doctor", "-format=json", *words, env=env)
    return {one["text"]: (one["state"], one["fix"]) for one in json.loads(out)}


def test_a_server_in_order_is_told_so(cli: CLI, server: Any, health: dict[str, Any]) -> None:
    server.vault.audit["file/"] = {"type": "file"}
    del health["server_time_utc"]
    server.vault.tokens["s.web"] = {**server.vault.tokens[ROOT_TOKEN], "policies": ["web"]}
    code, out, err = cli("doctor", env={"CUSTODY_TOKEN": "s.web"})
    assert (code, err) == (0, "")
    assert "[  OK] server: it is unsealed" in out
    assert "[  OK] token: it is good" in out
    assert out.endswith("\n4 well, 0 to look at, 0 wrong.\n")


@pytest.mark.parametrize(
    ("told", "text", "state", "fix"),
    [
        ({"sealed": True}, "it is sealed", "fail", "operator unseal"),
        ({"initialized": False}, "it is not initialised", "fail", "operator init"),
        ({"version": "9.9"}, f"it runs version 9.9, this command line is {__version__}", "warn",
         "the same version"),
    ],
)  # fmt: skip
def test_the_state_of_a_server_and_what_to_do(
    cli: CLI, health: dict[str, Any], told: dict[str, Any], text: str, state: str, fix: str
) -> None:
    health.update(told)
    found = findings(cli)
    assert found[text][0] == state
    assert fix in found[text][1]


def test_a_server_that_says_why_it_is_sealed_is_quoted(
    cli: CLI, server: Any, health: dict[str, Any]
) -> None:
    health["sealed"] = True
    reason = "the store is sealed by static, which is not configured"
    server.vault.canned["sys/seal-status"] = (200, {"sealed": True, "unseal_error": reason})
    state, fix = findings(cli)[f"it is sealed: {reason}"]
    assert state == "fail"
    assert "correct the seal in its configuration" in fix


@pytest.mark.parametrize(("seconds", "word"), [(60, "ahead"), (-60, "behind")])
def test_a_clock_that_is_wrong_is_named(
    cli: CLI, health: dict[str, Any], seconds: int, word: str
) -> None:
    health["server_time_utc"] += seconds
    (text,) = [text for text in findings(cli) if "clock is" in text]
    assert word in text


def test_no_audit_device_and_a_root_token_are_named(cli: CLI, health: dict[str, Any]) -> None:
    assert health
    found = findings(cli)
    assert found["none is enabled: nothing is recorded"][0] == "fail"
    assert found["a root token is in use"][0] == "warn"
    assert cli("doctor")[0] == 1


def test_two_audit_devices_on_one_file_are_named(
    cli: CLI, server: Any, health: dict[str, Any]
) -> None:
    assert health
    for name, file in (("a/", "/log/a"), ("b/", "/log/x/../a"), ("c/", "stdout"), ("d/", "stdout")):
        server.vault.audit[name] = {"type": "file", "options": {"file_path": file}}
    wrong = {text: fix for text, (state, fix) in findings(cli).items() if state == "fail"}
    assert wrong == {
        "a/ and b/ write to one file, /log/a, which both take for damaged":
            "custody audit disable b, and name it another file",
    }  # fmt: skip


def test_rows_that_are_not_as_written_are_named(
    cli: CLI, server: Any, health: dict[str, Any]
) -> None:
    assert health
    server.vault.canned["sys/verify"] = (200, {"data": {"found": 3}})
    assert "restore" in findings(cli)["3 rows are not as they were written"][1]


def test_a_token_that_is_no_longer_good_is_named(cli: CLI, health: dict[str, Any]) -> None:
    assert health
    text = "there is none, or it is no longer good"
    assert findings(cli, CUSTODY_TOKEN="s.gone")[text] == ("warn", "custody login")


def test_a_server_that_cannot_be_reached_is_named_with_the_hint(cli: CLI) -> None:
    found = findings(cli, CUSTODY_ADDR="http://127.0.0.1:1")
    state, fix = found["cannot reach the server at http://127.0.0.1:1: connection refused"]
    assert (state, "Is the server running there?" in fix) == ("fail", True)


def test_what_is_wrong_with_a_client_is_seen_without_a_server(cli: CLI, tmp_path: Path) -> None:
    kept = tmp_path / ".vault-token"
    kept.write_text("s.kept")
    kept.chmod(0o644)
    found = findings(
        cli, "-offline",
        CUSTODY_ADDR="http://custody.example.com:8200", VAULT_ADDR="https://other:8200",
        VAULT_SKIP_VERIFY="1",
    )  # fmt: skip
    assert found[f"{kept} is open to other users (0644)"] == ("fail", f"chmod 0600 {kept}")
    assert found["CUSTODY_ADDR counts, and VAULT_ADDR says something else"][0] == "warn"
    assert found["certificates are not verified"][0] == "warn"
    assert found["http://custody.example.com:8200 is plain HTTP: tokens and secrets pass in clear"]
    assert f"the environment has one, so the one in {kept} is not used" in found
    assert ROOT_TOKEN not in json.dumps(found)


def test_a_configuration_that_cannot_be_used_is_named_with_its_line(
    cli: CLI, tmp_path: Path
) -> None:
    config = tmp_path / "server.hcl"
    config.write_text("\nlog_levle = 1\n")
    found = findings(cli, "-offline", f"-config={config}")
    assert found[f'{config}:2: unknown key "log_levle"; did you mean "log_level"?'][0] == "fail"
