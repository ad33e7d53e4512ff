"""Shapes of answers: what a table says that an answer's data are, and what can be read off it.

A shape is a type: a TypedDict names fields (`NotRequired` ones may be left out), `dict[str, X]` is
an object whose names are data themselves, and str, int, float, bool, `list[X]`, unions of them,
None and Any are what they say.
"""

import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NotRequired, TypedDict

NULL: Final = types.NoneType
"""The shape of an answer that has no data: what there is to say stands beside them."""


class Keys(TypedDict):
    """A list of names."""

    keys: list[str]


class Scanned(TypedDict):
    """The same of a whole tree; `{}` where there are none, which is no error as it is of a list."""

    keys: NotRequired[list[str]]


class Nothing(TypedDict):
    """An object without a field."""


@dataclass(frozen=True, slots=True)
class Member:
    """One field of a shape: its own shape, and whether it is always there."""

    shape: Any
    always: bool


@cache
def members(shape: Any) -> Mapping[str, Member]:
    """The fields of a shape that names any, in order; {} for every other."""
    if not typing.is_typeddict(shape):
        return {}
    hints = typing.get_type_hints(shape)
    return {name: Member(hint, name in shape.__required_keys__) for name, hint in hints.items()}


def arms(shape: Any) -> tuple[Any, ...]:
    """The shapes of which a union is made; of any other the shape alone."""
    if isinstance(shape, types.UnionType) or typing.get_origin(shape) is typing.Union:
        return typing.get_args(shape)
    return (shape,)


def within(shape: Any) -> Any:
    """The shape of what stands in a list, or under the free names of an object; None for others."""
    if typing.get_origin(shape) in {list, dict}:
        return typing.get_args(shape)[-1]
    return None
