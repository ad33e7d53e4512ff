"""What the pages name in their sentences is there: commands with their options, and routes."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from tools import docs

from custody.cli.errors import UsageError
from custody.cli.flags import parse
from custody.cli.tree import COMMANDS, GROUPS
from custody.core.router import RouteTable
from custody.plugin.route import Engine
from custody.serve.catalog import load

_NAMED = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_SAID = ("README.md", "SECURITY.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
_MOUNTS = {"sys/": "system", "auth/token/": "token", "cubbyhole/": "cubbyhole"}


def _pages() -> list[Path]:
    written = (path for path in docs.ROOT.glob("docs/**/*.md") if "reference" not in path.parts)
    return [*(docs.ROOT / name for name in _SAID), *sorted(written)]


def _named(page: Path, beginning: str) -> Iterator[str]:
    """What stands as code within the sentences of a page and begins so."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return (found for found in _NAMED.findall(text) if found.startswith(beginning))


@pytest.mark.parametrize("page", _pages(), ids=lambda page: page.stem)
def test_every_command_in_a_sentence_is_one_and_takes_its_options(page: Path) -> None:
    for line in _named(page, "custody "):
        words = shlex.split(line)[1:]
        name, rest = _split(words)
        assert name or " ".join(words) in GROUPS, line
        if name and not COMMANDS[name].raw:
            try:
                parse((*COMMANDS[name].flags, *COMMANDS[name].shared), rest)
            except UsageError as error:
                raise AssertionError(line) from error


@pytest.mark.parametrize("page", _pages(), ids=lambda page: page.stem)
def test_every_route_in_a_sentence_is_served(page: Path) -> None:
    engines = load()
    for prefix, kind in _MOUNTS.items():
        for path in _named(page, prefix):
            assert _is_served(engines[kind], path.removeprefix(prefix).partition("?")[0]), path


def _split(words: list[str]) -> tuple[str, list[str]]:
    """The longest command that the words begin with, and what is left."""
    for length in range(len(words), 0, -1):
        if " ".join(words[:length]) in COMMANDS:
            return " ".join(words[:length]), words[length:]
    return "", words


def _is_served(engine: Engine, path: str) -> bool:
    return path.strip("*/") == "" or RouteTable(engine).known(path.rstrip("*")) is not None
