"""The rules on making a token: pure functions from caller and request to what may be made.

They follow Vault's token store in order, so that of several mistakes the same one is named.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from custody.base.duration import parse_seconds
from custody.base.errors import BadRequest
from custody.token.entry import (
    ROOT_POLICY,
    SERVICE_TYPE,
    WRAPPING_POLICIES,
    Spec,
    TokenEntry,
)
from custody.token.format import MAX_LENGTH
from custody.token.lifetime import Limits, Terms, grant

DEFAULT_POLICY = "default"
MAX_POLICY_NAME = 256  # bytes
MAX_USES = 2**31 - 1
_NOT_ASSIGNABLE = frozenset(WRAPPING_POLICIES)
_UNSAFE = re.compile(r"[^a-zA-Z0-9-]")


@dataclass(frozen=True, slots=True)
class Asked:
    """The fields of a request for a token; durations as they came."""

    id: str = ""
    policies: tuple[str, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)
    no_parent: bool = False
    no_default_policy: bool = False
    renewable: bool = True
    ttl: object = ""
    explicit_max_ttl: object = ""
    period: object = ""
    display_name: str = ""
    num_uses: int = 0
    type: str = ""
    entity_alias: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """By which request the token is asked for."""

    path: str  # whole path, such as auth/token/create
    sudo: bool  # the caller has root or sudo on that path
    orphan: bool = False  # the path itself makes orphans


@dataclass(frozen=True, slots=True)
class Plan:
    """A token that may be made, and what the caller should know of it."""

    spec: Spec
    orphan: bool
    id: str  # the id that was chosen, or empty
    warnings: tuple[str, ...]


def plan(caller: TokenEntry, asked: Asked, way: Way, limits: Limits) -> Plan:
    """What `caller` may make of what it asked for.

    Raises BadRequest with the text that Vault's clients know.
    """
    _check_request(caller, asked, way)
    policies = _policies(caller, asked, way)
    if asked.no_parent and not way.sudo:
        raise BadRequest("root or sudo privileges required to create orphan token")
    orphan = asked.no_parent or way.orphan
    explicit_max, period, ttl, warnings = _times(asked, way, limits, root=ROOT_POLICY in policies)
    if not ttl and caller.ttl:
        raise BadRequest("expiring root tokens cannot create non-expiring root tokens")
    if asked.id:
        _check_custom_id(asked.id)
        warnings += ("A custom ID is only as hard to guess as the text that was chosen.",)
    spec = Spec(
        policies=policies,
        path=way.path,
        display_name=_display_name(asked.display_name),
        meta=asked.meta,
        ttl=ttl,
        explicit_max_ttl=explicit_max,
        period=period,
        num_uses=asked.num_uses,
        renewable=asked.renewable and ttl > 0,
        entity_id="" if orphan else caller.entity_id,
    )
    return Plan(spec, orphan, asked.id, warnings)


def clean_policies(names: Iterable[str], *, add_default: bool) -> tuple[str, ...]:
    """Names in lower case, trimmed, without empty ones and repetitions, sorted.

    `root` stands alone. `default` is added if asked for and not there. Raises BadRequest.
    """
    clean = {name.strip().lower() for name in names} - {""}
    if ROOT_POLICY in clean:
        return (ROOT_POLICY,)
    for name in clean:
        if len(name.encode("utf-8", "surrogatepass")) > MAX_POLICY_NAME:
            raise BadRequest(f"policy names may have at most {MAX_POLICY_NAME} bytes")
    return tuple(sorted(clean | {DEFAULT_POLICY} if add_default else clean))


def _check_request(caller: TokenEntry, asked: Asked, way: Way) -> None:
    if caller.num_uses:
        raise BadRequest("restricted use token cannot generate child tokens")
    if asked.entity_alias:
        raise BadRequest("'entity_alias' is only allowed in combination with token role")
    if asked.type not in ("", SERVICE_TYPE):
        raise BadRequest("invalid 'token_type' value")
    if asked.num_uses < 0:
        raise BadRequest("number of uses cannot be negative")
    if asked.num_uses > MAX_USES:
        raise BadRequest(f"number of uses cannot be more than {MAX_USES}")
    if asked.id and not way.sudo:
        raise BadRequest("root or sudo privileges required to specify token id")


def _policies(caller: TokenEntry, asked: Asked, way: Way) -> tuple[str, ...]:
    if not asked.policies:
        wanted = clean_policies(caller.policies, add_default=False)
    elif way.sudo:
        wanted = clean_policies(asked.policies, add_default=not asked.no_default_policy)
    else:
        own = clean_policies(caller.policies, add_default=False)
        if not set(own).issuperset(clean_policies(asked.policies, add_default=False)):
            raise BadRequest("child policies must be subset of parent")
        add = not asked.no_default_policy and DEFAULT_POLICY in own
        wanted = clean_policies(asked.policies, add_default=add)
    if asked.no_default_policy:
        wanted = tuple(name for name in wanted if name != DEFAULT_POLICY)
    for name in wanted:
        if name in _NOT_ASSIGNABLE:
            raise BadRequest(f'cannot assign policy "{name}"')
    if ROOT_POLICY in wanted and not caller.root:
        raise BadRequest("root tokens may not be created without parent token being root")
    return wanted


def _times(
    asked: Asked, way: Way, limits: Limits, *, root: bool
) -> tuple[int, int, int, tuple[str, ...]]:
    """Explicit maximum, period and TTL granted, in seconds, and warnings."""
    explicit_max = _seconds("explicit_max_ttl", asked.explicit_max_ttl)
    period = _seconds("period", asked.period)
    if period and not way.sudo:
        raise BadRequest("root or sudo privileges required to create periodic token")
    ttl = _seconds("ttl", asked.ttl)
    if root and not period and not ttl:
        return explicit_max, period, explicit_max, ()
    granted, warnings = grant(Terms(ttl, period, explicit_max), limits)
    return explicit_max, period, granted, warnings


def _seconds(name: str, value: object) -> int:
    seconds = parse_seconds(value)
    if seconds < 0:
        raise BadRequest(f"{name} must be positive")
    return seconds


def _display_name(wanted: str) -> str:
    return _UNSAFE.sub("-", f"token-{wanted}").removesuffix("-") if wanted else "token"


def _check_custom_id(text: str) -> None:
    if "." in text:
        raise BadRequest("custom token ID cannot have a '.' in the value")
    if len(text) > MAX_LENGTH:
        raise BadRequest(f"custom token ID cannot have more than {MAX_LENGTH} characters")
