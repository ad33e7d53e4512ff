"""Logging in: where the token comes from, where it goes, who may read it."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from custody.base.secret import Secret
from custody.cli import token_file
from custody.cli.errors import UsageError

CLI = Callable[..., tuple[int, str, str]]
NO_TOKEN = {"CUSTODY_TOKEN": ""}


def test_a_login_stores_the_token_for_its_owner_only(
    cli: CLI, root_token: str, tmp_path: Path
) -> None:
    code, out, err = cli("login", stdin=root_token + "\n", env=NO_TOKEN)
    stored = tmp_path / ".vault-token"
    assert (code, err) == (0, "")
    assert out.startswith("Success! You are now authenticated.")
    assert f"token                {root_token}" in out
    assert 'token_policies       ["root"]' in out
    assert stored.read_text() == root_token
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    assert cli("token", "lookup", "-field=id", env=NO_TOKEN) == (0, root_token, "")


@pytest.mark.parametrize("form", ["{0}", "token={0}", "token=@{1}", "token=-", "-"])
def test_a_token_is_given_in_any_way_that_data_is(
    form: str, cli: CLI, root_token: str, tmp_path: Path
) -> None:
    (tmp_path / "t").write_text(root_token + "\n")
    word = form.format(root_token, tmp_path / "t")
    assert cli("login", "-no-print", word, stdin=root_token, env=NO_TOKEN) == (0, "", "")
    assert (tmp_path / ".vault-token").read_text() == root_token


def test_a_token_that_the_server_refuses_is_neither_stored_nor_shown(
    cli: CLI, tmp_path: Path
) -> None:
    code, out, err = cli("login", "s.hunter2", env=NO_TOKEN)
    assert (code, out) == (2, "")
    assert err.startswith("Error authenticating: Error making API request.")
    assert "hunter2" not in err
    assert not (tmp_path / ".vault-token").exists()


def test_the_stored_token_is_not_the_proof_of_a_login(
    cli: CLI, root_token: str, tmp_path: Path
) -> None:
    (tmp_path / ".vault-token").write_text(root_token)
    assert cli("login", "s.wrong", env=NO_TOKEN)[0] == 2


def test_a_token_may_be_printed_without_being_stored(
    cli: CLI, root_token: str, tmp_path: Path
) -> None:
    assert cli("login", "-token-only", root_token, env=NO_TOKEN) == (0, root_token, "")
    code, out, err = cli("login", "-no-store", "-field=token", root_token, env=NO_TOKEN)
    assert (code, out) == (0, root_token)
    assert "CUSTODY_TOKEN" in err
    assert not (tmp_path / ".vault-token").exists()


def test_a_variable_that_would_win_is_warned_of(cli: CLI, root_token: str) -> None:
    code, _, err = cli("login", "-no-print", root_token, env={"VAULT_TOKEN": "other"})
    assert code == 0
    assert err.startswith("WARNING!")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-no-store", "-no-print", "t"), "-no-store and -no-print cannot be used together"),
        (("-method=ldap", "t"), "Unknown auth method: ldap"),
        (("-non-interactive",), "-non-interactive forbids to ask"),
        ((), "Token is needed"),
    ],
)
def test_a_mistake_is_a_local_one(words: tuple[str, ...], said: str, cli: CLI) -> None:
    code, out, err = cli("login", *words)
    assert (code, out) == (1, "")
    assert said in err


def test_storing_replaces_a_link_and_tightens_the_mode(tmp_path: Path) -> None:
    elsewhere, path = tmp_path / "elsewhere", tmp_path / "token"
    elsewhere.write_text("untouched")
    path.symlink_to(elsewhere)
    token_file.store(path, Secret("new"))
    assert (path.read_text(), path.is_symlink()) == ("new", False)
    assert elsewhere.read_text() == "untouched"
    path.chmod(0o644)
    token_file.store(path, Secret("newer"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(found.name for found in tmp_path.iterdir()) == ["elsewhere", "token"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write the token file"):
        token_file.store(tmp_path / "absent" / "token", Secret("hunter2"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="cannot write the token file"):
        token_file.store(tmp_path / "folder", Secret("hunter2"))
    with pytest.raises(UsageError, match="cannot read the token file"):
        token_file.read(tmp_path / "folder")
    assert [found.name for found in tmp_path.iterdir()] == ["folder"]
