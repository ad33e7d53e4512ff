"""Options: what a command accepts, and the parser, in the manner of Go's flag package.

`-name=value`, `--name=value` and `-name value` are the same; a switch is `-name` or
`-name=false`; `--` ends the options. Unlike Go, options are understood after arguments too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from custody.base.duration import parse_ns
from custody.base.errors import BadRequest
from custody.cli.environment import parse_switch
from custody.cli.errors import UsageError


class Kind(Enum):
    """How the text of an option is read; the value is what help calls it."""

    TEXT = "string"
    SWITCH = "bool"
    INTEGER = "int"
    DURATION = "duration"
    TEXTS = "string, may be repeated"
    PAIRS = "key=value, may be repeated"


@dataclass(frozen=True, slots=True)
class Flag:
    """One option. `variable` is the environment setting that stands in for it, for help only."""

    name: str
    help: str
    kind: Kind = Kind.TEXT
    alias: str = ""
    variable: str = ""
    choices: tuple[str, ...] = ()  # what a shell completes it with


@dataclass(frozen=True, slots=True)
class Options:
    """The options that were given, by name; not shown in a repr, since a value may be secret."""

    given: Mapping[str, Sequence[str]] = field(repr=False)

    def has(self, name: str) -> bool:
        """Whether the option was given."""
        return name in self.given

    def text(self, name: str, default: str = "") -> str:
        """The last value given."""
        return self.given[name][-1] if name in self.given else default

    def switch(self, name: str) -> bool:
        """The last value as a boolean, False when not given."""
        return name in self.given and parse_switch(self.text(name), f"-{name}")

    def integer(self, name: str) -> int | None:
        """The last value as a number, None when not given."""
        return int(self.text(name)) if name in self.given else None

    def texts(self, name: str) -> list[str]:
        """All values given, in order."""
        return list(self.given.get(name, ()))

    def listed(self, name: str) -> list[str]:
        """All values given, each split at its commas, as Vault reads -versions and -policy."""
        parts = (part.strip() for value in self.texts(name) for part in value.split(","))
        return [part for part in parts if part]

    def pairs(self, name: str) -> dict[str, str]:
        """All `key=value` given; the last wins."""
        split = (value.partition("=") for value in self.texts(name))
        return {key: value for key, _, value in split}


def parse(flags: Iterable[Flag], words: Sequence[str]) -> tuple[Options, list[str]]:
    """Split `words` into options and arguments. Raises UsageError, which never shows a value."""
    known = {name: flag for flag in flags for name in (flag.name, flag.alias) if name}
    given: dict[str, list[str]] = {}
    arguments: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            arguments.extend(rest)
        elif word == "-" or not word.startswith("-"):
            arguments.append(word)
        else:
            flag, value = _one(known, word, rest)
            given.setdefault(flag.name, []).append(value)
    return Options(given), arguments


def _one(known: Mapping[str, Flag], word: str, rest: Iterable[str]) -> tuple[Flag, str]:
    name, equals, value = word.removeprefix("-").removeprefix("-").partition("=")
    flag = known.get(name)
    if flag is None:
        raise UsageError(
            f"flag provided but not defined: -{name}{_meant(name, known)}"
            " (write -- before an argument that begins with a dash)"
        )
    if not equals:
        if flag.kind is Kind.SWITCH:
            return flag, "true"
        following = next(iter(rest), None)
        if following is None:
            raise UsageError(f"flag needs an argument: -{name}")
        value = following
    _check(flag, value)
    return flag, value


def _meant(name: str, known: Iterable[str]) -> str:
    import difflib  # noqa: PLC0415 needed only for a mistake; costs start-up time

    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean -{near[0]}?" if near else ""


def _check(flag: Flag, value: str) -> None:
    if flag.kind is Kind.SWITCH:
        parse_switch(value, f"-{flag.name}")
    elif flag.kind is Kind.INTEGER:
        _check_integer(flag, value)
    elif flag.kind is Kind.DURATION:
        _check_duration(flag, value)
    elif flag.kind is Kind.PAIRS and "=" not in value:
        raise UsageError(f"invalid value for flag -{flag.name}: write it as key=value")


def _check_integer(flag: Flag, value: str) -> None:
    try:
        int(value)
    except ValueError as error:
        raise UsageError(f"invalid value for flag -{flag.name}: not a whole number") from error


def _check_duration(flag: Flag, value: str) -> None:
    try:
        parse_ns(value)
    except BadRequest as error:
        raise UsageError(
            f"invalid value for flag -{flag.name}: write a duration as 90s, 30m, 12h or 7d"
        ) from error
