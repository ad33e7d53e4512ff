"""Plays the transcripts of tests/scripts: what is typed, what is printed, the exit code.

A transcript holds:

    $ custody kv put secret/app user=u     a command (the words are split as a shell would)
    < a line of standard input             after a command
    a line of standard output              `<time>`, `<uuid>`, `<token>`, `<any>`, `<line>` match
    2> a line of standard error            what they say; `<token:NAME>` remembers as $NAME
    [2]                                    the exit code, when it is not 0
    # a comment, or an empty line between blocks
    -- name --                             at the end: files to be there, txtar's way

`ready/` needs a server with a KV store of version 2 at secret/ and a root token; `fresh/` one
that was never initialised. `real/` needs what `ready/` does, of a kind that the fake is not. By
default that is a fake; CUSTODY_TRANSCRIPT_ADDR with
CUSTODY_TRANSCRIPT_TOKEN, and CUSTODY_TRANSCRIPT_FRESH_ADDR, point at real ones.
"""

import io
import os
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from custody.cli.command import Console
from custody.cli.environment import Environment
from custody.cli.main import run

SCRIPTS = Path(__file__).parents[2] / "scripts"
PATTERNS = {
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z",
    "uuid": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "token": r"[A-Za-z0-9._=+/-]{16,}",
    "any": r"\S+",
    "line": r".*",
}


@dataclass
class Step:
    """One command and what it must do."""

    line: int
    words: str
    stdin: list[str] = field(default_factory=list)
    stdout: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    code: int = 0


def parse(text: str) -> tuple[list[Step], dict[str, str]]:
    """The steps of a transcript and its files."""
    head, *rest = re.split(r"^-- (\S+) --\n", text, flags=re.MULTILINE)
    files = dict(zip(rest[::2], rest[1::2], strict=True))
    steps: list[Step] = []
    for number, line in enumerate(head.splitlines(), 1):
        if line.startswith("$ custody"):
            steps.append(Step(number, line.removeprefix("$ custody")))
        elif line.startswith("< "):
            steps[-1].stdin.append(line[2:])
        elif line.startswith("2>"):
            steps[-1].stderr.append(line[2:].strip())
        elif re.fullmatch(r"\[\d+\]", line):
            steps[-1].code = int(line[1:-1])
        elif steps and not line.startswith("#"):
            steps[-1].stdout.append(line.rstrip())
    return steps, files


class Player:
    """Runs steps one after another and remembers what they captured."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.names: dict[str, str] = {"ADDR": environment["CUSTODY_ADDR"]}

    def play(self, step: Step) -> None:
        out, err = io.StringIO(), io.StringIO()
        stdin = "".join(f"{self.known(line)}\n" for line in step.stdin)
        console = Console(io.StringIO(stdin), out, err, lambda _prompt: "")
        words = shlex.split(self.known(step.words))
        code = run(words, Environment(self.environment), console)
        where = f"line {step.line}: custody{step.words}\n{out.getvalue()}{err.getvalue()}"
        self.match(step.stdout, out.getvalue(), where)
        self.match(step.stderr, err.getvalue(), where)
        assert code == step.code, where

    def match(self, expected: list[str], text: str, where: str) -> None:
        lines = [line.rstrip() for line in text.splitlines()]
        pattern = "\n".join(map(self.pattern, _trimmed(expected)))
        found = re.fullmatch(pattern, "\n".join(_trimmed(lines)))
        assert found, f"{where}\nexpected:\n" + "\n".join(expected)
        self.names.update(found.groupdict())

    def known(self, text: str) -> str:
        return re.sub(r"\$([A-Z][A-Z0-9]*)", lambda found: self.names[found[1]], text)

    def pattern(self, line: str) -> str:
        parts = re.split(rf"<({'|'.join(PATTERNS)})(?::(\w+))?>", self.known(line))
        text = re.escape(parts[0])
        for kind, name, after in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            inner = PATTERNS[kind]
            text += (f"(?P<{name}>{inner})" if name else f"(?:{inner})") + re.escape(after)
        # Columns are as wide as their longest cell, which varies with what a pattern stands for.
        return re.sub(r"(?:\\ ){2,}", r" {2,}", text) if len(parts) > 1 else text


def _trimmed(lines: list[str]) -> list[str]:
    text = "\n".join(lines).strip("\n")
    return text.split("\n") if text else []


def scripts(folder: str) -> list[Any]:
    """The transcripts of a folder as test cases."""
    found = sorted((SCRIPTS / folder).glob("*.txt"))
    assert found
    return [pytest.param(path, id=path.stem) for path in found]


def play_file(path: Path, environment: dict[str, str]) -> None:
    steps, files = parse(path.read_text(encoding="utf-8"))
    for name, content in files.items():
        Path(name).write_text(content, encoding="utf-8")
    player = Player(environment)
    for step in steps:
        player.play(step)


@pytest.fixture
def ready(request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment that reaches a server in use."""
    address = os.environ.get("CUSTODY_TRANSCRIPT_ADDR", "")
    token = os.environ.get("CUSTODY_TRANSCRIPT_TOKEN", "")
    if not address:
        address = request.getfixturevalue("server").address
        token = request.getfixturevalue("root_token")
    return {"CUSTODY_ADDR": address, "CUSTODY_TOKEN": token}


@pytest.fixture
def fresh(request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment that reaches a server never initialised."""
    address = os.environ.get("CUSTODY_TRANSCRIPT_FRESH_ADDR", "")
    return {"CUSTODY_ADDR": address or request.getfixturevalue("fresh_server").address}


@pytest.mark.parametrize("path", scripts("ready"))
def test_a_transcript_comes_out_as_written(
    path: Path, ready: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    play_file(path, {**ready, "HOME": str(tmp_path)})


@pytest.mark.parametrize("path", scripts("fresh"))
def test_a_transcript_of_a_new_server_comes_out_as_written(
    path: Path, fresh: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    play_file(path, {**fresh, "HOME": str(tmp_path)})
