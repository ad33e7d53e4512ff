"""Typed values of a configuration's blocks; every mistake is told with its file and line.

All mistakes are told, not only the first: reading a wrong value notes what is wrong and goes on
with the default. So whoever reads a whole configuration must look at `Faults.found` in the end.

A mistyped key in a secrets manager is a security setting that silently does not apply: so a key
that nobody knows is an error with the nearest known one. Vault's keys that mean nothing here are
named in a warning, and refused where ignoring them would leave open what they close.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TypeVar

from custody.base.duration import parse_seconds
from custody.base.errors import BadRequest
from custody.base.hcl import Item, Object, Value, plain
from custody.base.truth import FALSE, TRUE

T = TypeVar("T")

_NO = (False, 0, "", "false", "0", ())


class BadConfiguration(Exception):
    """The configuration cannot be used; the text says why and where, in a line for each mistake."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class Faults:
    """The mistakes found so far."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def of(self, read: Callable[[], T], instead: T) -> T:
        """What `read` answers; if it raises BadConfiguration that is noted, and it is `instead`."""
        try:
            return read()
        except BadConfiguration as error:
            self._found += error.faults
            return instead

    def note(self, text: str) -> None:
        """Another one."""
        self._found.append(text)

    @property
    def found(self) -> list[str]:
        """All of them, each once, as they were met."""
        return list(dict.fromkeys(self._found))


@dataclass(frozen=True, slots=True)
class Known:
    """The keys of a block: used here, of Vault and without meaning, refused with a reason."""

    used: Collection[str]
    ignored: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placed:
    """An item and the file that it stands in."""

    path: Path
    item: Item

    @property
    def at(self) -> str:
        """Where it begins, for messages; a variable or an option has no lines."""
        return f"{self.path}:{self.item.line}" if self.item.line else str(self.path)

    @property
    def labels(self) -> tuple[str, ...]:
        """Its names."""
        return self.item.labels


class Fields:
    """The items of a block, or of all files together, read by key."""

    def __init__(self, items: Sequence[Placed], faults: Faults, where: str = "") -> None:
        self.faults = faults
        self._items = items
        self._where = f", {where}" if where else ""

    @classmethod
    def of(cls, block: Placed, faults: Faults) -> "Fields":
        """The fields of a block. Raises BadConfiguration for what is no block."""
        where = " ".join((block.item.key, *block.labels))
        value = block.item.value
        if isinstance(value, tuple) and len(value) == 1:
            value = value[0]
        if not isinstance(value, Object):
            raise BadConfiguration(f"{block.at}: {where} is not a block")
        return cls([Placed(block.path, item) for item in value.items], faults, where)

    def check(self, known: Known) -> list[str]:
        """The warnings of all keys. Raises BadConfiguration for those that cannot be."""
        warnings, wrong = list[str](), list[str]()
        for placed in self._items:
            key, at = placed.item.key, f"{placed.at}{self._where}"
            if key in known.refused:
                if placed.item.value not in _NO:
                    wrong.append(f"{at}: {key}: {known.refused[key]}")
            elif key in known.ignored:
                warnings.append(f'{at}: "{key}" has no meaning here and is ignored')
            elif key not in known.used:
                near = get_close_matches(key, [*known.used, *known.ignored], n=1)
                hint = f'; did you mean "{near[0]}"?' if near else ""
                wrong.append(f'{at}: unknown key "{key}"{hint}')
        if wrong:
            raise BadConfiguration(*wrong)
        return warnings

    def error(self, key: str, text: str) -> BadConfiguration:
        """What is wrong with the value of `key`, told with its place."""
        found = self._last(key)
        return BadConfiguration(text if found is None else f"{found.at}{self._where}: {text}")

    def blocks(self, key: str, labels: int) -> list[Placed]:
        """The blocks of `key`; one that is empty and unnamed is a mistake."""
        blocks = list[Placed]()
        for placed in self._items:
            if placed.item.key == key:
                blocks += self.faults.of(partial(_blocks, placed, key, labels), list[Placed]())
        return blocks

    def has(self, key: str) -> bool:
        """Whether it is given at all."""
        return self._last(key) is not None

    def text(self, key: str, default: str = "") -> str:
        """A text."""
        return self.faults.of(lambda: self._text(key, default), default)

    def flag(self, key: str, *, default: bool = False) -> bool:
        """True or false, also as a text."""
        return self.faults.of(lambda: self._flag(key, default=default), default)

    def number(self, key: str, default: int, minimum: int, maximum: int = 1 << 62) -> int:
        """A whole number within bounds."""
        return self.faults.of(lambda: self._number(key, default, minimum, maximum), default)

    def seconds(self, key: str, default: str) -> int:
        """A duration of at least a second."""
        return self.faults.of(lambda: self._seconds(key, default), parse_seconds(default))

    def choice(self, key: str, default: str, known: Sequence[str] | Mapping[str, int]) -> str:
        """One of some texts, in lower case."""
        return self.faults.of(lambda: self._choice(key, default, known), default)

    def texts(self, key: str) -> list[str]:
        """A list of texts, or one text with commas."""
        return self.faults.of(lambda: self._texts(key), [])

    def mapping(self, key: str) -> dict[str, object]:
        """A block as a mapping, {} where there is none."""
        return self.faults.of(lambda: self._mapping(key), {})

    def options(self, key: str) -> dict[str, str]:
        """A block of texts; true, 5 and "5" are all written by people. Raises BadConfiguration."""
        read = self._mapping(key)
        return {name: self._option(key, name, value) for name, value in read.items()}

    def _text(self, key: str, default: str) -> str:
        value = self._scalar(key)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self.error(key, f"{key} takes a text, in quotes")
        return value

    def _flag(self, key: str, *, default: bool) -> bool:
        value = self._scalar(key)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        text = str(value) if isinstance(value, int | str) else "?"
        if text and text not in TRUE and text not in FALSE:
            raise self.error(key, f"{key} is true or false")
        return text in TRUE

    def _number(self, key: str, default: int, minimum: int, maximum: int) -> int:
        value = self._scalar(key)
        if value is None:
            return default
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
            raise self.error(key, f"{key} is a number from {minimum} to {maximum}")
        return value

    def _seconds(self, key: str, default: str) -> int:
        value = self._scalar(key)
        try:
            seconds = parse_seconds(default if value is None else value)
        except BadRequest as error:
            raise self.error(key, f"{key}: {error.messages[0]}") from error
        if seconds <= 0:
            raise self.error(key, f"{key} must be at least a second")
        return seconds

    def _choice(self, key: str, default: str, known: Sequence[str] | Mapping[str, int]) -> str:
        value = self._text(key, default).lower()
        if value not in known:
            raise self.error(key, f"{key} is one of {', '.join(filter(None, known))}")
        return value

    def _texts(self, key: str) -> list[str]:
        found = self._last(key)
        read = [] if found is None else plain(found.item.value)
        if isinstance(read, str):
            read = read.split(",")
        if not isinstance(read, list) or not all(isinstance(one, str) for one in read):
            raise self.error(key, f"{key} is a list of texts")
        return [text.strip() for text in read if text.strip()]

    def _mapping(self, key: str) -> dict[str, object]:
        found = self._last(key)
        if found is None:
            return {}
        read = plain(_only(found.item.value))
        if not isinstance(read, dict) or found.labels:
            raise self.error(key, f"{key} is a block")
        return {str(name): value for name, value in read.items()}

    def _option(self, key: str, name: str, value: object) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str | int | float):
            return str(value)
        raise self.error(key, f"{key}: {name} is a text")

    def _last(self, key: str) -> Placed | None:
        return next((one for one in reversed(self._items) if one.item.key == key), None)

    def _scalar(self, key: str) -> object:
        found = self._last(key)
        if found is None:
            return None
        if isinstance(found.item.value, Object | tuple):
            raise self.error(key, f"{key} takes one value")
        return found.item.value


def _blocks(placed: Placed, key: str, labels: int) -> list[Placed]:
    found = Object((placed.item,)).blocks(key, labels)
    if not found:
        raise BadConfiguration(f"{placed.at}: {key} needs {labels} name(s) and a body")
    return [Placed(placed.path, one) for one in found]


def _only(value: Value) -> Value:
    return value[0] if isinstance(value, tuple) and len(value) == 1 else value
