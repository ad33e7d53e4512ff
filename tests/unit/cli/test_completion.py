"""What a shell is offered, from the table of commands, and that bash takes the script."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from custody.cli.completion import candidates
from custody.cli.tree import COMMANDS, GROUPS

CLI = Callable[..., tuple[int, str, str]]


def offered(*typed: str) -> list[str]:
    return candidates(COMMANDS, GROUPS, typed)


def test_names_follow_names() -> None:
    assert offered("stat") == ["status"]
    assert offered("kv", "met") == ["metadata"]
    assert {"get", "put", "metadata"} <= set(offered("kv", ""))
    assert "kv" in offered("")
    assert offered("kv", "metadata", "g") == ["get"]
    assert offered("nowhere", "") == []


def test_options_follow_a_command_in_the_dashes_that_were_typed() -> None:
    assert offered("kv", "get", "-fi") == ["-field"]
    assert offered("kv", "get", "--fi") == ["--field"]
    assert offered("kv", "get", "secret/app", "-vers") == ["-version"]
    assert offered("kv", "get", "secr") == []  # a file name may stand here


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (("-format=j",), ["-format=json"]),  # zsh, fish
        (("-format", "="), ["table", "json", "yaml", "yml"]),  # bash, which breaks at =
        (("-format", "=", "j"), ["json"]),
        (("-format", "ya"), ["yaml"]),
        (("-field", "="), []),
    ],
)
def test_values_follow_an_option(typed: tuple[str, ...], found: list[str]) -> None:
    assert offered("kv", "get", *typed) == found


def test_the_words_are_printed_a_line_each(cli: CLI) -> None:
    assert cli("completion", "words", "--", "lo") == (0, "login\n", "")
    assert cli("completion", "words", "--", "kv", "get", "-h")[0] == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shells_script_calls_for_the_words(shell: str, cli: CLI) -> None:
    code, out, _ = cli("completion", shell)
    assert code == 0
    assert "custody completion words -- " in out


def test_bash_completes_with_the_script(cli: CLI, tmp_path: Path) -> None:
    fake = tmp_path / "custody"
    fake.write_text('#!/bin/sh\necho "asked:$*"\n')
    fake.chmod(0o700)
    ask = 'COMP_WORDS=(custody kv "g"); COMP_CWORD=2; _custody; echo "${COMPREPLY[@]}"'
    run = subprocess.run(  # noqa: S603 our own script
        ["/bin/bash", "-c", cli("completion", "bash")[1] + ask],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        check=True,
        text=True,
    )
    assert run.stdout == "asked:completion words -- kv g\n"
