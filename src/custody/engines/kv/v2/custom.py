"""Custom metadata: what users attach to a secret, text to text, within Vault's limits."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import json

from custody.base.errors import BadRequest, MultiError

MAX_KEYS = 64
MAX_KEY = 128  # bytes
MAX_VALUE = 512  # bytes

_FAILED = "custom_metadata validation failed"


class InvalidCustomMetadata(MultiError, BadRequest):
    """Custom metadata over its limits: 400, in the multi-error spelling."""


def read_custom(raw: Mapping[str, Any]) -> dict[str, str]:
    """`raw` as text to text; numbers and booleans are spelled out, null is empty.

    Raises BadRequest for other values, InvalidCustomMetadata that names every limit broken.
    """
    custom = {key: _text(key, value) for key, value in raw.items()}
    if len(custom) > MAX_KEYS:
        raise InvalidCustomMetadata(
            f"{_FAILED}: payload must contain at most {MAX_KEYS} keys, provided {len(custom)}"
        )
    faults = [fault for key, value in custom.items() for fault in _faults(key, value)]
    if faults:
        raise InvalidCustomMetadata(*(f"{_FAILED}: {fault}" for fault in faults))
    return custom


def _faults(key: str, value: str) -> Iterator[str]:
    quoted = json.encode(key).decode()
    size = len(key.encode())
    if not 0 < size <= MAX_KEY:
        yield f"length of key {quoted} is {size} but must be 0 < len(key) <= {MAX_KEY}"
    size = len(value.encode())
    if not 0 < size <= MAX_VALUE:
        yield (
            f"length of value for key {quoted} is {size} but must be 0 < len(value) <= {MAX_VALUE}"
        )
    if not key.isprintable():
        yield f"key {quoted} contains unprintable characters"
    if not value.isprintable():
        yield f"value for key {quoted} contains unprintable characters"


def _text(key: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, str | int | float):
        return str(value)
    quoted = json.encode(key).decode()
    raise BadRequest(f"{_FAILED}: value for key {quoted} is not text")
