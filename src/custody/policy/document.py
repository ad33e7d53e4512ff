"""A policy's text as frozen rules, each with the line that it stands on.

The language is Vault's (HCL or JSON; keys and error texts as OpenBao answers them). What would
narrow a grant and cannot be enforced here (`control_group`, `mfa_methods`) is refused when it is
written: ignoring it would grant more than the author said.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from custody.base import duration, hcl
from custody.base.clock import NANOSECOND
from custody.base.errors import BadRequest, MultiError
from custody.policy import capability
from custody.policy.template import KeyPath

_KEYS_PATH = "list_scan_response_keys_filter_path"
_TOP_KEYS = frozenset({"name", "path"})
_PATH_KEYS = frozenset(
    {
        "allowed_parameters",
        "capabilities",
        "comment",
        "denied_parameters",
        "expiration",
        _KEYS_PATH,
        "max_wrapping_ttl",
        "min_wrapping_ttl",
        "pagination_limit",
        "policy",
        "required_parameters",
        "subscribe_event_types",
    }
)
_UNENFORCED_KEYS = frozenset({"control_group", "mfa_methods"})
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)

Parameters = Mapping[str, tuple[object, ...]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One `path` block. Times in nanoseconds; 0 and empty mean that it was not given."""

    policy: str
    pattern: str  # without leading slash
    line: int
    capabilities: int  # bits of custody.policy.capability
    templated: bool = False  # holds {{identity.…}}: it is no path until that is filled in
    allowed: Parameters | None = None  # names in lower case; an empty tuple is any value
    denied: Parameters | None = None
    required: tuple[str, ...] = ()
    min_wrapping_ns: int = 0
    max_wrapping_ns: int = 0
    pagination_limit: int = 0
    keys_path: KeyPath | None = None
    expires_ns: int = 0
    comment: str = ""

    def capability_names(self) -> list[str]:
        """The capabilities as words, sorted."""
        return capability.names(self.capabilities)

    def expired(self, now_ns: int) -> bool:
        """Whether it no longer counts at `now_ns`."""
        return 0 < self.expires_ns < now_ns


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A parsed policy. Compared by identity: a cache may key on it while it holds it."""

    policy: str
    text: str
    rules: tuple[Rule, ...]
    repeated: tuple[tuple[str, int], ...] = ()  # keys given twice in a rule, and their lines
    expires_ns: int = 0


class _Refused(Exception):
    """Why the text is no policy; `parse` puts the usual words before it."""


def parse(policy: str, text: str, *, expires_ns: int = 0) -> Document:
    """The rules in `text` under the name `policy`. Raises BadRequest with Vault's words."""
    try:
        tree = hcl.parse(text)
        _check_keys(tree, _TOP_KEYS, "")
        rules = tuple(_rule(policy, block) for block in tree.blocks("path", 1))
        return Document(policy, text, rules, tuple(_repeated(tree)), expires_ns)
    except (hcl.HCLError, _Refused) as error:
        raise BadRequest(f"failed to parse policy: {error}") from error


def decode_text(text: str) -> str:
    """`text`, or what it encodes if it is standard base64. Raises BadRequest."""
    try:
        raw = base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        return text
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise BadRequest("failed to parse policy: illegal UTF-8 encoding") from None


def parse_time_ns(value: object) -> int:
    """Nanoseconds since the epoch in an RFC 3339 text or a number of seconds.

    At least 1, since 0 stands for never. Raises BadRequest.
    """
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str):
        match = _RFC3339.fullmatch(text)
        if match is None and _INTEGER.fullmatch(text):
            return max(1, int(text) * NANOSECOND)
        if match is not None:
            try:
                return max(1, _nanoseconds(*match.groups()))
            except (ValueError, OverflowError):
                pass  # a month 13, a zone of 99 hours: said below
    raise BadRequest("could not parse string as date and time")


def quoted(text: str) -> str:
    """`text` in double quotes, as Go's %q writes it."""
    return json.dumps(text, ensure_ascii=False)


def _nanoseconds(moment: str, fraction: str | None, zone: str) -> int:
    seconds = datetime.fromisoformat(moment + zone).astimezone(UTC).timestamp()
    return int(seconds) * NANOSECOND + int(((fraction or "") + "0" * 9)[:9])


def _check_keys(tree: hcl.Object, valid: frozenset[str], prefix: str) -> None:
    wrong = [
        f"{prefix}invalid key {quoted(item.key)} on line {item.assign_line}"
        for item in tree.items
        if item.key not in valid
    ]
    if wrong:
        raise _Refused(MultiError(*wrong).listed[0])


def _repeated(tree: hcl.Object) -> list[tuple[str, int]]:
    found = []
    for block in tree.blocks("path", 1):
        seen: set[str] = set()
        for item in block.value.items if isinstance(block.value, hcl.Object) else ():
            if item.key in seen:
                found.append((item.key, item.line))
            seen.add(item.key)
    return found


def _rule(policy: str, block: hcl.Item) -> Rule:
    path = block.labels[0] if block.labels else block.key
    prefix = f"path {quoted(path)}: "
    if not isinstance(block.value, hcl.Object) or len(block.labels) > 1:
        raise _Refused(f"{prefix}not a block of settings")
    body = block.value
    unenforced = next((item.key for item in body.items if item.key in _UNENFORCED_KEYS), None)
    if unenforced is not None:
        raise _Refused(
            f"{prefix}{unenforced} is not supported, and is refused so as not to be ignored"
        )
    _check_keys(body, _PATH_KEYS, prefix)
    templated = _has_template(path)
    pattern = path.removeprefix("/")
    try:
        expires_ns = _last(body, "expiration", _expiration) or 0
        _check_pattern(pattern)
        comment = _last(body, "comment", _text) or ""
        bits = _capabilities(body)
        where = (policy, pattern, block.line, bits, templated)
        if bits & capability.DENY:
            return Rule(*where, expires_ns=expires_ns, comment=comment)
        return _restricted(body, where, expires_ns, comment)
    except (_Refused, BadRequest) as error:
        raise _Refused(f"{prefix}{error}") from error


def _check_pattern(pattern: str) -> None:
    if "+*" in pattern:
        raise _Refused("invalid use of wildcards ('+*' is forbidden)")


def _restricted(
    body: hcl.Object, where: tuple[str, str, int, int, bool], expires_ns: int, comment: str
) -> Rule:
    shortest = _last(body, "min_wrapping_ttl", _duration) or 0
    longest = _last(body, "max_wrapping_ttl", _duration) or 0
    if shortest and longest and longest < shortest:
        raise _Refused("max_wrapping_ttl cannot be less than min_wrapping_ttl")
    _strings(body, "subscribe_event_types")
    keys_path = _last(body, _KEYS_PATH, _key_path)
    if keys_path is not None and not where[3] & capability.LIST:
        raise _Refused(f"{_KEYS_PATH} needs to be used on a path with the list capability")
    return Rule(
        *where,
        allowed=_parameters(body, "allowed_parameters"),
        denied=_parameters(body, "denied_parameters"),
        required=_strings(body, "required_parameters"),
        min_wrapping_ns=shortest,
        max_wrapping_ns=longest,
        pagination_limit=_last(body, "pagination_limit", _integer) or 0,
        keys_path=keys_path,
        expires_ns=expires_ns,
        comment=comment,
    )


def _has_template(path: str) -> bool:
    first, *rest = path.split("{{")
    if "}}" in first or any(piece.count("}}") != 1 for piece in rest):
        raise _Refused("failed to validate policy templating: unbalanced templating characters")
    return bool(rest)


def _capabilities(body: hcl.Object) -> int:
    """The bits of `capabilities` and of the old `policy`; a deny stands alone."""
    bits = 0
    for name in _strings(body, "capabilities"):
        if name not in capability.BITS:
            raise _Refused(f"invalid capability {quoted(name)}")
        bits |= capability.BITS[name]
        if bits & capability.DENY:
            return capability.DENY
    legacy = _last(body, "policy", _text)
    if legacy:
        if legacy not in capability.LEGACY:
            raise _Refused(f"invalid policy {quoted(legacy)}")
        bits |= capability.LEGACY[legacy]
    return capability.DENY if bits & capability.DENY else bits


def _parameters(body: hcl.Object, key: str) -> Parameters | None:
    """Lower-case name to values; what is given twice is put together, an empty list is any."""
    items = body.all(key)
    if not items:
        return None
    merged: dict[str, tuple[object, ...]] = {}
    for item in items:
        if not isinstance(item.value, hcl.Object):
            raise _Refused(f"{key} is not a map of lists")
        for parameter in item.value.items:
            if not isinstance(parameter.value, tuple) or parameter.labels:
                raise _Refused(f"{key}.{parameter.key} is not a list")
            name = parameter.key.lower()
            values = tuple(hcl.plain(value) for value in parameter.value)
            merged[name] = any_or_both(merged.get(name), values)
    return merged


def any_or_both(first: tuple[object, ...] | None, second: tuple[object, ...]) -> tuple[object, ...]:
    """The values of two lists for one parameter; an empty list, any value, takes the other in."""
    if first is None or not second:
        return second
    return (*first, *second) if first else ()


def _strings(body: hcl.Object, key: str) -> tuple[str, ...]:
    found: list[str] = []
    for item in body.all(key):
        if not isinstance(item.value, tuple):
            raise _Refused(f"{key} is not a list of strings")
        for value in item.value:
            if not isinstance(value, str):
                raise _Refused(f"{key} is not a list of strings")
            found.append(value)
    return tuple(found)


def _last(body: hcl.Object, key: str, read: Callable[[str, hcl.Value], T]) -> T | None:
    item = body.get(key)
    return None if item is None else read(key, item.value)


def _text(key: str, value: hcl.Value) -> str:
    if not isinstance(value, str):
        raise _Refused(f"{key} is not a string")
    return value


def _integer(key: str, value: hcl.Value) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Refused(f"{key} is not a number")
    if value < 0:
        raise _Refused(f"{key} cannot be negative")
    return value


def _duration(key: str, value: hcl.Value) -> int:
    try:
        ns = duration.parse_ns(value)
    except BadRequest as error:
        raise _Refused(f"error parsing {key}: {error}") from error
    if ns < 0:
        raise _Refused(f"{key} cannot be negative")
    return ns


def _expiration(_: str, value: hcl.Value) -> int:
    try:
        return parse_time_ns(value)
    except BadRequest as error:
        raise _Refused(f"invalid expiration time: {error}") from error


def _key_path(key: str, value: hcl.Value) -> KeyPath:
    return KeyPath.parse(_text(key, value))
