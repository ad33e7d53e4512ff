"""Typed fields of a request's body or query, read as leniently as Vault reads them.

A `Fields` subclass is declared like a dataclass; its annotations are among: str, int, bool, float,
`Duration` (seconds), `Strings` (list or comma-separated text), `Pairs` (map or list of k=v),
`Mapping`/`dict` (an object as it came) and `Any`; `X | None` means: may be absent (None). Each is
`Annotated[X, "What it is for."]`, in a line for whoever calls. A field whose name on the wire is a
word of Python's has `msgspec.field(name=...)`.
"""

import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, NewType, Self, cast

import msgspec

from custody.base.duration import parse_seconds
from custody.base.errors import BadRequest
from custody.base.truth import FALSE, TRUE

Duration = NewType("Duration", int)
"""Whole seconds, a plain int; written as a number or as text such as 90s, 1h30m, 50d."""


_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")
_MIN_INT, _MAX_INT = -(2**63), 2**63 - 1


class Strings(list[str]):
    """A list of texts; written as a list or comma-separated."""


class Pairs(dict[str, str]):
    """Text to text; written as a map or as a list of k=v."""


class Fields(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every typed body."""

    _readers: ClassVar[dict[str, Callable[[str, Any], Any]] | None] = None
    _renamed: ClassVar[Mapping[str, str]] = {}
    _required: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"  # fields are shares, tokens and payloads too

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> tuple[Self, list[str]]:
        """The fields in `raw`, and the sorted names in it that are not fields.

        Raises BadRequest naming the field whose value has the wrong type.
        """
        readers = cls.__dict__.get("_readers") or cls._compile()  # never the base class's
        if not raw and not cls._required:
            return cls(), []
        known: dict[str, Any] = {}
        unknown: list[str] = []
        for name, value in raw.items():
            reader = readers.get(name)
            if reader is None:
                unknown.append(name)
            elif value is not None:
                known[name] = reader(name, value)
        if cls._renamed:
            known = {cls._renamed.get(name, name): value for name, value in known.items()}
        try:
            return cls(**known), sorted(unknown)
        except TypeError:
            missing = [name for name in cls._required if name not in known]
            raise BadRequest(*(f"missing required field {name!r}" for name in missing)) from None

    @classmethod
    def required(cls) -> tuple[str, ...]:
        """Names of the fields that have no default."""
        return tuple(field.name for field in msgspec.structs.fields(cls) if field.required)

    @classmethod
    def _compile(cls) -> dict[str, Callable[[str, Any], Any]]:
        hints = typing.get_type_hints(cls)
        fields = msgspec.structs.fields(cls)
        cls._readers = {field.encode_name: _reader(hints[field.name]) for field in fields}
        cls._renamed = {
            field.encode_name: field.name for field in fields if field.encode_name != field.name
        }
        cls._required = cls.required()
        return cls._readers


class PageFields(Fields, frozen=True, kw_only=True):
    """A page of a list of names."""

    after: Annotated[str, "The page begins behind this name, which need not exist."] = ""
    limit: Annotated[int, "How many names there are at most; 0 or less: as many as may be."] = 0


def kind_of(hint: Any) -> str:
    """What Vault's help calls the kind of a field with this annotation."""
    return _NAMES.get(_bare(hint), "any")


@dataclass(frozen=True, slots=True)
class Described:
    """A field as it is told of: `about` in a line, `default` None where that is no news."""

    kind: str
    about: str
    required: bool = False
    default: str | int | float | None = None

    @property
    def told(self) -> str:
        """What it is for, and its default where that is news."""
        if self.default is None:
            return self.about
        shown = str(self.default).lower() if self.default is True else self.default
        return f"{self.about} Default: {shown}."


def described(body: Any) -> Mapping[str, Described]:
    """The fields of a typed body (a `Fields` class), by their names on the wire; {} of None."""
    return {} if body is None else _all_described(body)


@cache
def _all_described(body: Any) -> Mapping[str, Described]:
    return {field.encode_name: _described(field) for field in msgspec.structs.fields(body)}


def _described(field: Any) -> Described:
    hint, about = field.type, ""
    if typing.get_origin(hint) is typing.Annotated:
        hint, about = typing.get_args(hint)[:2]
    plain = isinstance(field.default, str | int | float) and bool(field.default)
    default = field.default if plain else None
    return Described(kind_of(hint), about, field.required, default)


def _reader(hint: Any) -> Callable[[str, Any], Any]:
    return _READERS.get(_bare(hint), _anything)


def _bare(hint: Any) -> Any:
    """The annotation without `| None` and type arguments."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        hint = next(arm for arm in typing.get_args(hint) if arm is not type(None))
    return typing.get_origin(hint) or hint


def _anything(_name: str, value: Any) -> Any:
    return value


def _bad(name: str, value: Any, expected: str) -> BadRequest:
    shape = type(value).__name__
    return BadRequest(
        f'Field validation failed: error converting input for field "{name}": '
        f"expected type '{expected}', got '{shape}'"
    )


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int | float):
        return str(value)
    raise _bad(name, value, "string")


def _integer(name: str, value: Any) -> int:
    if isinstance(value, str):
        if value and not _WHOLE.fullmatch(value.strip()):
            raise _bad(name, value, "int")
        value = int(value or 0)
    elif not isinstance(value, int) and not (isinstance(value, float) and value.is_integer()):
        raise _bad(name, value, "int")
    number = int(value)
    if not _MIN_INT <= number <= _MAX_INT:
        raise BadRequest(
            f'Field validation failed: error converting input for field "{name}": '
            "value out of range"
        )
    return number


def _boolean(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value != 0
    if isinstance(value, str) and (not value or value in TRUE or value in FALSE):
        return value in TRUE
    raise _bad(name, value, "bool")


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise _bad(name, value, "float") from None
    if not math.isfinite(number):
        raise _bad(name, value, "float")
    return number


def _duration(name: str, value: Any) -> Duration:
    try:
        return Duration(parse_seconds(value))
    except BadRequest as error:
        raise BadRequest(
            f'error converting input for field "{name}": {error.messages[0]}'
        ) from None


def _strings(name: str, value: Any) -> Strings:
    if isinstance(value, str):
        return Strings(part.strip() for part in value.split(",")) if value else Strings()
    if isinstance(value, list):
        return Strings(_text(name, part) for part in value)
    if isinstance(value, int | float):
        return Strings((_text(name, value),))
    raise _bad(name, value, "list of strings")


def _pairs(name: str, value: Any) -> Pairs:
    if isinstance(value, Mapping):
        return Pairs({str(key): _text(name, item) for key, item in value.items()})
    if isinstance(value, str):
        value = value.split(",") if value else []
    if isinstance(value, list) and all(isinstance(item, str) and "=" in item for item in value):
        return Pairs(cast("str", item).split("=", 1) for item in value)
    raise _bad(name, value, "map")


def _object(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return value
    raise _bad(name, value, "map")


_NAMES: dict[Any, str] = {
    str: "string",
    int: "int",
    bool: "bool",
    float: "float",
    Duration: "duration (sec)",
    Strings: "slice",
    Pairs: "keypair",
    dict: "map",
    Mapping: "map",
}
_READERS: dict[Any, Callable[[str, Any], Any]] = {
    str: _text,
    int: _integer,
    bool: _boolean,
    float: _number,
    Duration: _duration,
    Strings: _strings,
    Pairs: _pairs,
    dict: _object,
    Mapping: _object,
}
