"""Durations as Vault's clients write and read them."""

import re
from decimal import Decimal
from typing import Final

from custody.base.errors import BadRequest

_LONGEST: Final = 64  # characters
_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d*)?", re.ASCII)
_PART: Final = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h|d)", re.ASCII)
_SECOND: Final = 1_000_000_000
_MAX_NS: Final = 2**63 - 1


def parse_ns(value: object) -> int:
    """Nanoseconds in `value`: an integer or numeric text is seconds, else Go-style text with d.

    Raises BadRequest with the text that Vault's clients know.
    """
    if isinstance(value, bool):
        raise BadRequest(f'time: invalid duration "{value}"')
    if isinstance(value, int):  # not with float in one test: compiled, that makes floats of all
        return _parse_number(str(value), small=abs(value) < _MAX_NS)
    if isinstance(value, float):
        return _parse_number(str(value), small=abs(value) < _MAX_NS)  # which NaN is not
    if not isinstance(value, str):
        raise BadRequest(f"time: invalid duration of type {type(value).__name__}")
    text = value.strip()
    if not text:
        return 0
    if len(text) > _LONGEST:
        raise BadRequest(f"time: invalid duration: more than {_LONGEST} characters")
    unit = _UNITS.get(text[-1], 0)  # the common forms: whole seconds, or whole units of a letter
    digits = text[:-1] if unit else text
    if digits.isascii() and digits.isdigit():
        return _bounded(int(digits) * (unit or _SECOND), text)
    if _NUMBER.fullmatch(text):
        return _bounded(int(Decimal(text) * _SECOND), text)
    return _bounded(_parse_parts(text), text)


def parse_seconds(value: object) -> int:
    """Whole seconds in `value`, rounded towards zero. Raises BadRequest."""
    ns = parse_ns(value)
    return -(-ns // _SECOND) if ns < 0 else ns // _SECOND


def go_string(ns: int) -> str:
    """`ns` as Go prints a duration of whole seconds: 3h25m19s, 0s."""
    seconds = abs(ns) // _SECOND
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    sign = "-" if ns < 0 else ""
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}s"
    return f"{sign}{minutes}m{seconds}s" if minutes else f"{sign}{seconds}s"


def _parse_parts(text: str) -> int:
    sign, rest = (-1, text[1:]) if text[0] == "-" else (1, text.lstrip("+"))
    total, position = Decimal(0), 0
    while position < len(rest):
        part = _PART.match(rest, position)
        if part is None:
            raise BadRequest(f'time: invalid duration "{text}"')
        total += Decimal(part[1]) * _UNITS[part[2]]
        position = part.end()
    if not rest:
        raise BadRequest(f'time: invalid duration "{text}"')
    return sign * int(total)


def _parse_number(text: str, *, small: bool) -> int:
    if not small:
        raise BadRequest(f'time: invalid duration "{_start(text)}"')
    return _bounded(int(Decimal(text) * _SECOND), text)


def _start(text: str) -> str:
    """The number, or its first digits: an error does not repeat thousands."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _bounded(ns: int, text: str) -> int:
    if abs(ns) > _MAX_NS:
        raise BadRequest(f'time: invalid duration "{text}"')
    return ns
