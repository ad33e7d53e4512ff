"""What callers are shown of a token."""

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from custody.base.clock import NANOSECOND, rfc3339
from custody.token.entry import ROOT_PATH, TokenEntry


class Lookup(TypedDict):
    """What is shown of a token."""

    accessor: str
    creation_time: int
    creation_ttl: int
    display_name: str
    entity_id: str
    expire_time: str | None
    explicit_max_ttl: int
    id: str
    meta: dict[str, str] | None
    num_uses: int
    orphan: bool
    path: str
    policies: list[str]
    ttl: int
    type: str
    issue_time: NotRequired[str]
    renewable: NotRequired[bool]
    period: NotRequired[int]
    role: NotRequired[str]
    bound_cidrs: NotRequired[list[str]]
    last_renewal: NotRequired[str]
    last_renewal_time: NotRequired[int]


def lookup(entry: TokenEntry, token: str, now_ns: int) -> Mapping[str, Any]:
    """The answer to a look-up, with Vault's field names.

    `token` is the token's text where the caller knows it, else empty. Ancestors are left out: they
    would let the caller rise.
    """
    data: dict[str, Any] = {
        "accessor": entry.accessor,
        "creation_time": entry.created_ns // NANOSECOND,
        "creation_ttl": entry.ttl,
        "display_name": entry.display_name,
        "entity_id": entry.entity_id,
        "expire_time": rfc3339(entry.expires_ns) if entry.expires_ns else None,
        "explicit_max_ttl": entry.explicit_max_ttl,
        "id": token,
        "meta": dict(entry.meta) or None,
        "num_uses": entry.num_uses,
        "orphan": entry.orphan,
        "path": entry.path,
        "policies": list(entry.policies),
        "ttl": remaining(entry, now_ns),
        "type": entry.type,
    }
    if entry.path != ROOT_PATH:
        data["issue_time"] = rfc3339(entry.created_ns)
        data["renewable"] = entry.renewable
    if entry.period:
        data["period"] = entry.period
    if entry.role:
        data["role"] = entry.role
    if entry.bound_cidrs:
        data["bound_cidrs"] = list(entry.bound_cidrs)
    if entry.last_renewal_ns:
        data["last_renewal"] = rfc3339(entry.last_renewal_ns)
        data["last_renewal_time"] = entry.last_renewal_ns // NANOSECOND
    return data


def remaining(entry: TokenEntry, now_ns: int) -> int:
    """Seconds of life left, rounded to the nearest; 0 for a token that never expires."""
    if not entry.expires_ns:
        return 0
    return max(0, (entry.expires_ns - now_ns + NANOSECOND // 2) // NANOSECOND)
