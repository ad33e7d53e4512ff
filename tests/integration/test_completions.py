"""Completion in the shells themselves: what a line becomes when tab is pressed at its end."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
# A terminal with the shell "$1" in it, which is to run "$2"; once it prompts with <ready>, types
# "$3", tab, and the keys that print the line as it is then.
_TERMINAL = """
zmodload zsh/zpty
zpty shell "$1"
zpty -w shell "$2"
zpty -r -m shell seen '*<ready>*'
zpty -n -w shell "$3"$'\\t\\x18l'
zpty -r -m shell seen '*<line:*:line>*'
print -rn -- ${${seen##*<line:}%%:line>*}
zpty -d shell
"""
_BASH_KEY = r"""bind -x '"\C-xl": printf "<%s:%s:line>" line "$READLINE_LINE"'"""
_ZSH_KEY = """
report() { print -rn -- "<line:${BUFFER}:line>" }
zle -N report
bindkey -e
bindkey '^Xl' report
"""
_COMPINIT = "autoload -Uz compinit; compinit -u -D"
LINES = {
    "custody stat": "custody status ",
    "custody kv metadata g": "custody kv metadata get ",
    "custody kv get -fi": "custody kv get -field ",
    "custody kv get --fi": "custody kv get --field ",
    "custody kv get -format=j": "custody kv get -format=json ",
    "custody kv get -format ya": "custody kv get -format yaml ",
    "custody kv get -version=3 -fi": "custody kv get -version=3 -field ",
    "custody kv put secret/a @/etc/passw": "custody kv put secret/a @/etc/passw",
    "custody policy write p /etc/host.c": "custody policy write p /etc/host.conf ",
    "custody nowhere stat": "custody nowhere stat",
}


def run(*words: str | Path, directory: Path) -> str:
    """What a program prints that finds `custody`, a terminal without colours, and no settings."""
    done = subprocess.run(  # noqa: S603 our own words
        words,
        cwd=directory,
        env={
            "PATH": f"{BIN}:/usr/bin:/bin",
            "HOME": str(directory),
            "TERM": "dumb",
            "LANG": "C.UTF-8",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def completed(shell: str, ready: str, line: str, directory: Path) -> str:
    """`line` as it is in `shell` after the tab key."""
    settings = directory / "settings"
    settings.write_text(f"{ready}\nPS1='<ready>'\n")
    sourced = f". {shlex.quote(str(settings))}"
    return run("zsh", "-f", "-c", _TERMINAL, "zsh", shell, sourced, line, directory=directory)


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What `custody completion` prints, by shell."""
    directory = tmp_path_factory.mktemp("scripts")
    return {
        shell: run(BIN / "custody", "completion", shell, directory=directory)
        for shell in ("bash", "zsh", "fish")
    }


@pytest.mark.parametrize(("line", "expected"), LINES.items())
def test_bash_completes_a_line(
    line: str, expected: str, scripts: dict[str, str], tmp_path: Path
) -> None:
    ready = scripts["bash"] + _BASH_KEY
    assert completed("bash --norc --noprofile -i", ready, line, tmp_path) == expected


@pytest.mark.parametrize(("line", "expected"), LINES.items())
def test_zsh_completes_a_line_with_the_script_in_its_path_of_functions(
    line: str, expected: str, scripts: dict[str, str], tmp_path: Path
) -> None:
    """The script is the body of a function that zsh loads with the first press of the key."""
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "_custody").write_text(scripts["zsh"])
    ready = f"fpath=({tmp_path}/functions $fpath)\n{_COMPINIT}\n{_ZSH_KEY}"
    assert completed("zsh -f -i", ready, line, tmp_path) == expected


def test_zsh_completes_with_a_script_that_was_sourced(
    scripts: dict[str, str], tmp_path: Path
) -> None:
    ready = f"{_COMPINIT}\n{scripts['zsh']}\n{_ZSH_KEY}"
    assert completed("zsh -f -i", ready, "custody stat", tmp_path) == "custody status "


@pytest.mark.parametrize(("line", "expected"), LINES.items())
def test_fish_completes_a_line(
    line: str, expected: str, scripts: dict[str, str], tmp_path: Path
) -> None:
    """Fish answers without a terminal: with the words that may stand at the end of the line."""
    (tmp_path / "custody.fish").write_text(scripts["fish"])
    ask = f"source {tmp_path}/custody.fish; complete -C {shlex.quote(line)}"
    found = run("fish", "--no-config", "-c", ask, directory=tmp_path).splitlines()
    last = expected.rsplit(maxsplit=1)[-1] if expected != line else None
    assert [one.split("\t")[0] for one in found] == ([last] if last else [])


def test_many_words_are_offered_and_none_is_chosen(scripts: dict[str, str], tmp_path: Path) -> None:
    ask = f"{scripts['fish']}\ncomplete -C 'custody kv '"
    found = run("fish", "--no-config", "-c", ask, directory=tmp_path).split()
    assert {"delete", "get", "metadata", "put"} <= set(found)
    assert not any((tmp_path / one).exists() for one in found)
