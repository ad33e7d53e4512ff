"""Printing: pure functions from JSON-like data to Vault's tables, JSON and YAML.

Numbers with a fraction arrive as Decimal, so that they are printed as the server wrote them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any

from custody.base.clock import NANOSECOND
from custody.base.duration import go_string
from custody.cli.yaml import to_yaml

_GLUE = "    "
_ENVELOPE = ("request_id", "lease_id", "lease_duration", "renewable", "data", "warnings")
_ENVELOPE_IF_SET = ("auth", "wrap_info", "mount_type")
_BARE = {"request_id": "", "lease_id": "", "lease_duration": 0, "renewable": False}
_DURATIONS = ("period", "ttl", "duration")
_MARGIN = 78  # columns of running text


class Format(Enum):
    """What -format may say."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    YML = "yml"
    RAW = "raw"  # as it came, for `read` only


def render(value: Any, form: Format) -> str:
    """`value` as text without a last line end; a table only of a mapping or a list of texts."""
    if form is Format.JSON:
        return to_json(value, indent=2)
    if form in (Format.YAML, Format.YML):
        return to_yaml(value)
    if isinstance(value, Mapping):
        return mapping_table(value)
    return table(["Keys"], ([go_text(item)] for item in value))


def to_json(value: Any, indent: int = 0, _depth: int = 1) -> str:
    """JSON text; numbers keep every digit. `indent` 0 is one line."""
    if isinstance(value, Mapping):
        members = [
            f"{json.dumps(key, ensure_ascii=False)}: {to_json(item, indent, _depth + 1)}"
            for key, item in value.items()
        ]
        return _bracket("{", members, "}", indent, _depth)
    if isinstance(value, list | tuple):
        items = [to_json(item, indent, _depth + 1) for item in value]
        return _bracket("[", items, "]", indent, _depth)
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _bracket(left: str, items: Sequence[str], right: str, indent: int, depth: int) -> str:
    if not items or not indent:
        return left + ", ".join(items) + right
    pad = "\n" + " " * (indent * depth)
    return left + pad + ("," + pad).join(items) + pad[: -indent or None] + right


def go_text(value: Any) -> str:
    """`value` as Go's %v prints it, which is what Vault's tables show."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        inner = " ".join(f"{key}:{go_text(value[key])}" for key in sorted(value))
        return f"map[{inner}]"
    if isinstance(value, list | tuple):
        return f"[{' '.join(map(go_text, value))}]"
    return str(value)


def human_seconds(value: Any) -> str:
    """Whole seconds as Vault shows them (768h, 1h30m); anything else as it is."""
    if not isinstance(value, int) or isinstance(value, bool):
        return go_text(value)
    text = go_string(value * NANOSECOND)
    if text.endswith("m0s"):
        text = text[:-2]
    return text.replace("h0m", "h")


def table(titles: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """Columns under underlined titles, empty cells as n/a, the last column not padded."""
    lines = [list(titles), ["-" * len(title) for title in titles], *map(list, rows)]
    return columns(lines)


def columns(rows: Iterable[Sequence[str]]) -> str:
    """Rows of cells, aligned."""
    cells = [[cell.strip() or "n/a" for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        lines.append(_GLUE.join([*padded, row[-1]]))
    return "\n".join(lines)


def mapping_table(data: Mapping[str, Any]) -> str:
    """`Key    Value`, sorted by key; "" when there is nothing."""
    return _key_value(_data_rows(data))


def _key_value(rows: Sequence[tuple[str, str]]) -> str:
    return table(["Key", "Value"], rows) if rows else ""


def _data_rows(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(key, _cell(key, data[key])) for key in sorted(data)]


def _cell(key: str, value: Any) -> str:
    lasting = key in ("lease_max", "ttl_max") or key.rpartition("_")[2] in _DURATIONS
    return human_seconds(value) if lasting else go_text(value)


def heading(title: str, width: int) -> str:
    """`title` between equals signs, about `width` columns wide."""
    signs = width - len(title) - 2
    signs = signs + signs % 2 if signs > 0 else 4
    return f"{'=' * (signs // 2)} {title} {'=' * (signs // 2)}"


def headed(title: str, data: Mapping[str, Any]) -> str:
    """A table of `data` under a heading of its width."""
    longest = max(map(len, data), default=0)
    return f"{heading(title, longest + len(_GLUE) + len('value'))}\n{mapping_table(data)}"


def headed_path(title: str, path: str) -> str:
    """A path under a heading of its width, and an empty line."""
    return f"{heading(title, len(path))}\n{path}\n"


def by_key(value: Any) -> Any:
    """`value` with every mapping in it sorted by key, as Go prints maps."""
    if isinstance(value, Mapping):
        return {key: by_key(value[key]) for key in sorted(value)}
    return [by_key(item) for item in value] if isinstance(value, list) else value


def enveloped(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """An answer in its envelope: one that comes without, as that of sys/health, is data."""
    parts = (answer.get(name) for name in (*_ENVELOPE, *_ENVELOPE_IF_SET))
    if any(part not in (None, "", 0) for part in parts):
        return answer
    return {**_BARE, "data": answer}


def envelope(answer: Mapping[str, Any]) -> dict[str, Any]:
    """A response envelope in Vault's order, absent parts left out as Vault's client does."""
    shown = {name: by_key(answer.get(name)) for name in _ENVELOPE}
    shown.update((name, answer[name]) for name in _ENVELOPE_IF_SET if answer.get(name))
    return shown


def envelope_table(answer: Mapping[str, Any]) -> str:
    """A response envelope as a table: lease, token, wrapping token, then data."""
    rows = _lease_rows(answer)
    rows += [(name, _auth_cell(name, value)) for name, value in auth_fields(answer).items()]
    rows += [(f"{name}:", _cell(name, value)) for name, value in _wrap_fields(answer).items()]
    return _key_value(rows + _data_rows(answer.get("data") or {}))


def _lease_rows(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    duration = answer.get("lease_duration") or 0
    if not duration:
        return []
    if not answer.get("lease_id"):
        return [("refresh_interval", human_seconds(duration))]
    return [
        ("lease_id", answer["lease_id"]),
        ("lease_duration", human_seconds(duration)),
        ("lease_renewable", go_text(answer.get("renewable"))),
    ]


def auth_fields(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The token part of an envelope under the names that the command line gives it."""
    auth = answer.get("auth")
    if not auth:
        return {}
    named = {
        "token": auth.get("client_token"),
        "token_accessor": auth.get("accessor"),
        "token_duration": auth.get("lease_duration", 0),
        "token_renewable": auth.get("renewable", False),
        "token_policies": auth.get("token_policies") or [],
        "identity_policies": auth.get("identity_policies") or [],
        "policies": auth.get("policies") or [],
    }
    metadata = auth.get("metadata") or {}
    return named | {f"token_meta_{key}": metadata[key] for key in sorted(metadata)}


def _auth_cell(name: str, value: Any) -> str:
    if name == "token_duration":
        return human_seconds(value) if value else "∞"
    if isinstance(value, list):
        return f"[{' '.join(json.dumps(item, ensure_ascii=False) for item in value)}]"
    return go_text(value)


def _wrap_fields(answer: Mapping[str, Any]) -> dict[str, Any]:
    wrap = answer.get("wrap_info")
    if not wrap:
        return {}
    named = {
        "wrapping_token": wrap.get("token"),
        "wrapping_accessor": wrap.get("accessor"),
        "wrapping_token_ttl": wrap.get("ttl"),
        "wrapping_token_creation_time": wrap.get("creation_time"),
        "wrapping_token_creation_path": wrap.get("creation_path"),
    }
    if wrap.get("wrapped_accessor"):
        named["wrapped_accessor"] = wrap["wrapped_accessor"]
    return named


def envelope_fields(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What -field may name: the data, then the token, the wrapping token or the lease."""
    data = answer.get("data") or {}
    special = auth_fields(answer) or _wrap_fields(answer)
    if not special:
        special = {name: answer.get(name) for name in ("lease_id", "request_id", "renewable")}
        special["lease_duration"] = special["refresh_interval"] = answer.get("lease_duration")
        special["data"] = data.get("data", data)
    return {**data, **special}


def wrapped(text: str) -> str:
    """Running text, broken into lines."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if len(longer) > _MARGIN and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(lines)
