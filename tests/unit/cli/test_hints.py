"""What a refused command says to do next."""

from collections.abc import Callable
from typing import Any

import pytest

from custody.cli.hints import Refusal, next_step

CLI = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (503, "Vault is sealed", "custody operator unseal, or custody operator init."),
        (403, "1 error occurred:\n\t* permission denied\n\n", "custody token capabilities a/b "),
        (403, "permission denied", "The token has ended"),
        (403, "preflight capability check returned 403, please", "custody secrets list shows"),
        (404, 'no handler for route "x". route entry not found.', "Nothing is mounted there"),
        (404, "", "There is nothing at a/b."),
        (400, "unable: cipher: message authentication failed", "give all of them again."),
        (400, 'time: invalid duration "abc"', "written as 90s"),
        (400, "the snapshot is of another store; use snapshot-force", "that is -force."),
        (400, "something else", ""),
        (500, "", ""),
    ],
)
def test_an_error_has_a_next_step(status: int, error: str, said: str) -> None:
    found = next_step(Refusal("a/b", status, [error] if error else [], known=True))
    assert (said in found) if said else found == ""


@pytest.mark.parametrize("error", ["permission denied", "preflight capability check returned 403"])
def test_who_sent_no_token_is_told_so_before_all_else(error: str) -> None:
    found = next_step(Refusal("a", 403, [error], known=False))
    assert found == "No token was sent: custody login, or set CUSTODY_TOKEN."


def test_the_step_is_below_the_error_as_it_came(cli: CLI, server: Any) -> None:
    server.vault.canned["kv/x"] = (403, {"errors": ["permission denied"]})
    code, out, err = cli("read", "kv/x", env={"CUSTODY_TOKEN": "s.gone"})
    assert (code, out) == (2, "")
    assert err.startswith("Error reading kv/x: Error making API request.\n\nURL: GET ")
    assert "Code: 403. Errors:\n\n* permission denied\n\nThe token has ended" in err


@pytest.mark.parametrize("words", [
    ("get", "secret"), ("put", "secret/", "a=b"), ("patch", "secret", "a=b"),
    ("delete", "secret"), ("rollback", "-version=1", "secret"), ("metadata", "get", "secret"),
])  # fmt: skip
def test_a_store_is_no_secret(words: tuple[str, ...], cli: CLI) -> None:
    code, out, err = cli("kv", *words)
    assert (code, out) == (1, "")
    assert err.startswith("secret/ is the store itself: name a secret in it, as in secret/app")


def test_a_mistyped_option_is_answered_with_the_nearest(cli: CLI) -> None:
    code, _, err = cli("kv", "put", "-csa=1", "secret/a", "b=c")
    assert (code, "-csa; did you mean -cas? (write" in err) == (1, True)
    assert "did you mean" not in cli("kv", "put", "-xyzzy=1", "secret/a", "b=c")[2]


def test_a_capability_that_is_none_is_placed(cli: CLI, server: Any, tmp_path: Any) -> None:
    text = 'path "a" {\n  capabilities = ["raed"]\n}\n'
    error = 'failed to parse policy: path "a": invalid capability "raed"'
    server.vault.canned["sys/policies/acl/web"] = (400, {"errors": [error]})
    code, _, err = cli("policy", "write", "web", "-", stdin=text)
    assert (code, err.splitlines()[-1]) == (2, '"raed" is on line 2; did you mean "read"?')
    (tmp_path / "web.hcl").write_text(text)
    code, _, err = cli("policy", "fmt", str(tmp_path / "web.hcl"))
    assert (code, err.splitlines()[-1]) == (1, '"raed" is on line 2; did you mean "read"?')


def test_help_is_a_word_as_well_as_an_option(cli: CLI) -> None:
    for words in ((), ("kv",), ("kv", "get")):
        assert cli("help", *words) == cli(*words, "-h")
    assert cli("help")[0] == 0
    assert cli("help", "nothing")[0] == 127


def test_shares_of_the_other_kind_of_seal_are_sent_and_not_dropped(cli: CLI, server: Any) -> None:
    vault = server.vault
    vault.canned["sys/seal-status"] = (200, {"recovery_seal": True})
    error = "parameters secret_shares,secret_threshold not applicable to seal type static"
    vault.canned["sys/init"] = (400, {"errors": [error]})
    code, _, err = cli("operator", "init", "-key-shares=1", "-key-threshold=1")
    assert (code, error in err) == (2, True)
    assert vault.requests[-1]["body"] == {
        "recovery_shares": 5, "recovery_threshold": 3, "secret_shares": 1, "secret_threshold": 1,
    }  # fmt: skip


def test_a_server_for_trying_things_out_is_named_where_it_is_asked_for(
    cli: CLI, capsys: pytest.CaptureFixture[str]
) -> None:
    for word in ("-dev", "--dev", "-dev-root-token-id=root"):
        assert cli("server", word)[0] == 1
        assert "there is no -dev: a server for trying things out is" in capsys.readouterr().err
