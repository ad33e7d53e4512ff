"""YAML of JSON-like data: block style, keys sorted, every doubtful text in double quotes."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

# Letters first, then only characters that mean nothing to YAML (1.1 or 1.2) inside a scalar.
_PLAIN = re.compile(r"[A-Za-z_/](?:[A-Za-z0-9_./@+ -]*[A-Za-z0-9_./@+-])?", re.ASCII)
_RESERVED = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"})
# Printable in JSON, but not in YAML: DEL and C1 controls, line separators, the byte order mark.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def to_yaml(value: Any) -> str:
    """`value` as one YAML document without a last line end."""
    return "\n".join(_lines(value))


def _lines(value: Any) -> list[str]:
    if isinstance(value, Mapping) and value:
        return [line for key in sorted(value) for line in _member(key, value[key])]
    if isinstance(value, list | tuple) and value:
        return [line for item in value for line in _item(item)]
    return [_scalar(value)]


def _member(key: str, value: Any) -> list[str]:
    if isinstance(value, Mapping) and value:
        return [f"{_text(key)}:", *(f"  {line}" for line in _lines(value))]
    if isinstance(value, list | tuple) and value:
        return [f"{_text(key)}:", *_lines(value)]
    return [f"{_text(key)}: {_scalar(value)}"]


def _item(value: Any) -> list[str]:
    first, *others = _lines(value)
    return [f"- {first}", *(f"  {line}" for line in others)]


def _scalar(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, list | tuple):
        return "[]"
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, str):
        return _text(value)
    return json.dumps(value)


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _RESERVED:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
