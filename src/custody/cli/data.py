"""Data on the command line: k=v, k=@file, k=-, @file.json and -, as Vault reads them.

Errors name the position of an argument and never its text, which may be a secret.
"""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn, TextIO

from custody.cli.errors import UsageError


class _Stdin:
    """Standard input, which can be read once. None means that it must not be read."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._used = False

    def read(self) -> str:
        if self._stream is None:
            raise UsageError("standard input is not read with -non-interactive")
        if self._used:
            raise UsageError("standard input can be given only once")
        self._used = True
        try:
            return self._stream.read()
        except UnicodeDecodeError:
            raise UsageError("standard input is not UTF-8 text") from None


def parse(words: Sequence[str], stdin: TextIO | None) -> dict[str, Any]:
    """The data that `words` describe; a key given again collects its values in a list.

    Raises UsageError.
    """
    source, data = _Stdin(stdin), dict[str, Any]()
    for position, word in enumerate(words, 1):
        for key, value in _members(word, position, source).items():
            data[key] = _joined(data[key], value) if key in data else value
    return data


def parse_texts(words: Sequence[str], stdin: TextIO | None) -> dict[str, str]:
    """As `parse`, for options that are texts. Raises UsageError for lists and objects."""
    data = parse(words, stdin)
    for key, value in data.items():
        if isinstance(value, list | Mapping):
            raise UsageError(f'"{key}" must be one text')
    return {key: value if isinstance(value, str) else json.dumps(value, default=str)
            for key, value in data.items()}  # fmt: skip


def _members(word: str, position: int, stdin: _Stdin) -> Mapping[str, Any]:
    if word == "-":
        return _object(stdin.read(), "standard input")
    if word.startswith("@"):
        return _object(_file(word[1:]), word[1:])
    key, equals, value = word.partition("=")
    if not equals or not key:
        raise UsageError(f"data argument {position} is not key=value, @file or -")
    if value == "-":
        return {key: stdin.read()}
    if value.startswith("@"):
        return {key: _file(value[1:])}
    return {key: value[1:] if value.startswith("\\@") else value}


def _joined(old: Any, new: Any) -> Any:
    return [*old, new] if isinstance(old, list) else [old, new]


def _file(name: str) -> str:
    try:
        return Path(name).read_bytes().decode()
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not UTF-8 text; encode it, for example as base64") from None


def _object(text: str, where: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text, parse_float=Decimal, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        # `from None`: the error holds the whole text.
        raise UsageError(f"{where} is not JSON: {error.msg} at {place}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{where} is not JSON") from None
    if not isinstance(value, dict):
        raise UsageError(f"{where} must hold a JSON object")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
