"""A program of the user's own keeps the token."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.cli.conftest import ROOT_TOKEN

CLI = Callable[..., tuple[int, str, str]]
_HELPER = """\
#!/bin/sh
case "$1" in
get) cat {kept} 2>/dev/null || true ;;
store) cat > {kept} ;;
erase) rm -f {kept} ;;
esac
"""


@pytest.fixture
def helper(tmp_path: Path) -> Path:
    """A helper that keeps the token in `kept`."""
    path = tmp_path / "helper"
    path.write_text(_HELPER.format(kept=tmp_path / "kept"))
    path.chmod(0o700)
    return path


def test_a_login_is_kept_by_the_helper_and_not_in_a_file(
    cli: CLI, helper: Path, tmp_path: Path
) -> None:
    env = {"CUSTODY_TOKEN": "", "VAULT_TOKEN_HELPER": str(helper)}
    assert cli("login", "-no-print", f"token={ROOT_TOKEN}", env=env)[0] == 0
    assert (tmp_path / "kept").read_text() == ROOT_TOKEN
    assert not (tmp_path / ".vault-token").exists()
    assert cli("print", "token", env=env) == (0, f"{ROOT_TOKEN}\n", "")


def test_vaults_own_settings_name_the_helper_too(cli: CLI, helper: Path, tmp_path: Path) -> None:
    (tmp_path / ".vault").write_text(f'token_helper = "{helper}"')
    (tmp_path / "kept").write_text("from-the-helper\n")
    assert cli("print", "token", env={"CUSTODY_TOKEN": ""}) == (0, "from-the-helper\n", "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("relative/helper", "must be written with its whole path"),
        ("/nowhere/helper", "cannot run the token helper"),
        ("/bin/false", "ended with 1 for get"),
    ],
)
def test_a_helper_that_fails_is_named(cli: CLI, text: str, reason: str) -> None:
    code, _, err = cli("token", "lookup", env={"CUSTODY_TOKEN": "", "CUSTODY_TOKEN_HELPER": text})
    assert (code, reason in err) == (1, True)


def test_a_token_that_revokes_itself_is_kept_no_longer(cli: CLI, tmp_path: Path) -> None:
    kept = tmp_path / ".vault-token"
    kept.write_text(ROOT_TOKEN)
    assert cli("token", "revoke", "-self", env={"CUSTODY_TOKEN": "s.another"})[0] == 2
    assert kept.exists()
    assert cli("token", "revoke", "-self", env={"CUSTODY_TOKEN": ""})[0] == 0
    assert not kept.exists()
