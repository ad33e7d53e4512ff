"""The rules on making a token: pure functions from caller and request to what may be made.

They follow Vault's token store in order, so that of several mistakes the same one is named.
"""

import re
from collections.abc import Iterable
from typing import Final

from custody.base.duration import parse_seconds
from custody.base.errors import BadRequest
from custody.token.asked import Asked, Plan, Spec, Times, Way
from custody.token.entry import BATCH_TYPE, ROOT_POLICY, SERVICE_TYPE, WRAPPING_POLICIES, TokenEntry
from custody.token.format import MAX_LENGTH
from custody.token.lifetime import Limits, Terms, grant, lesser
from custody.token.roles import DEFAULT_BATCH, TokenRole, matches

DEFAULT_POLICY: Final = "default"
MAX_POLICY_NAME: Final = 256  # bytes
MAX_USES: Final = 2**31 - 1
_SURELY_SHORT: Final = MAX_POLICY_NAME // 4  # characters, of four bytes at most
_NOT_ASSIGNABLE: Final = frozenset(WRAPPING_POLICIES)
_UNSAFE: Final = re.compile(r"[^a-zA-Z0-9-]")
_NO_ROLE: Final = TokenRole(name="")
_ALIAS_IDLE = "There are no entities in this version: the entity alias ties the token to none."
_NO_ADDRESS = "the role binds tokens to the caller's address, and who asks by a socket has none"
_ID_GUESSABLE = "A custom ID is only as hard to guess as the text that was chosen."
_ID_IDLE = "A batch token has no ID that could be chosen: the ID was ignored."


def plan(caller: TokenEntry, asked: Asked, way: Way, limits: Limits) -> Plan:
    """What `caller` may make of what it asked for.

    Raises BadRequest with the text that Vault's clients know.
    """
    role = way.role or _NO_ROLE
    _check_request(caller, asked, way)
    kind = _kind(asked, way.role)
    policies = _policies(caller, asked, way)
    orphan = _orphan(asked, way)
    times = _times(asked, way, limits, root=ROOT_POLICY in policies)
    if not times.ttl and caller.ttl:
        raise BadRequest("expiring root tokens cannot create non-expiring root tokens")
    uses = lesser(asked.num_uses, role.num_uses)
    if kind == BATCH_TYPE:
        _check_batch(times, uses, policies)
    chosen, warnings = _identity(asked, kind)
    renewable = asked.renewable and role.renewable and times.ttl > 0 and kind != BATCH_TYPE
    spec = Spec(
        policies=policies,
        path=way.path,
        display_name=_display_name(asked.display_name),
        meta=asked.meta,
        ttl=times.ttl,
        explicit_max_ttl=times.own_explicit_max,
        period=times.own_period,
        num_uses=uses,
        renewable=renewable,
        entity_id="" if orphan else caller.entity_id,
        type=kind,
        role=role.name,
        bound_cidrs=_networks(role, way.remote, lasting=not times.ttl),
    )
    return Plan(spec, chosen, (*times.warnings, *warnings), orphan=orphan)


def clean_policies(names: Iterable[str], *, add_default: bool) -> tuple[str, ...]:
    """Names in lower case, trimmed, without empty ones and repetitions, sorted.

    `root` stands alone. `default` is added if asked for and not there. Raises BadRequest.
    """
    clean: set[str] = set()
    for each in names:
        name = each.strip().lower()
        if name:
            clean.add(name)
    if ROOT_POLICY in clean:
        return (ROOT_POLICY,)
    for name in clean:
        if len(name) > _SURELY_SHORT:
            _check_policy_name(name)
    if add_default:
        clean.add(DEFAULT_POLICY)
    return tuple(sorted(clean))


def _check_policy_name(name: str) -> None:
    if len(name.encode("utf-8", "surrogatepass")) > MAX_POLICY_NAME:
        raise BadRequest(f"policy names may have at most {MAX_POLICY_NAME} bytes")


def _check_request(caller: TokenEntry, asked: Asked, way: Way) -> None:
    if caller.type == BATCH_TYPE:
        raise BadRequest("batch tokens cannot create more tokens")
    if caller.num_uses:
        raise BadRequest("restricted use token cannot generate child tokens")
    if asked.entity_alias:
        _check_alias(asked.entity_alias, way.role)
    if asked.num_uses < 0:
        raise BadRequest("number of uses cannot be negative")
    if asked.num_uses > MAX_USES:
        raise BadRequest(f"number of uses cannot be more than {MAX_USES}")
    if asked.id and not way.sudo:
        raise BadRequest("root or sudo privileges required to specify token id")


def _check_alias(alias: str, role: TokenRole | None) -> None:
    if role is None:
        raise BadRequest("'entity_alias' is only allowed in combination with token role")
    if not matches(role.allowed_entity_aliases or (), alias.lower()):
        raise BadRequest("invalid 'entity_alias' value")


def _kind(asked: Asked, role: TokenRole | None) -> str:
    """The type of token: the role's if that leaves no choice, else what is asked for."""
    if role is not None and role.type in (SERVICE_TYPE, BATCH_TYPE):
        return role.type
    if not asked.type:
        return BATCH_TYPE if role is not None and role.type == DEFAULT_BATCH else SERVICE_TYPE
    if asked.type not in (SERVICE_TYPE, BATCH_TYPE):
        raise BadRequest("invalid 'token_type' value")
    return asked.type


def _orphan(asked: Asked, way: Way) -> bool:
    if way.role is not None:
        return way.role.orphan
    if asked.no_parent and not way.sudo:
        raise BadRequest("root or sudo privileges required to create orphan token")
    return asked.no_parent or way.orphan


def _identity(asked: Asked, kind: str) -> tuple[str, list[str]]:
    """The id that was chosen, if it counts, and warnings of what does not, or is not wise."""
    warnings = [_ALIAS_IDLE] if asked.entity_alias else []
    if not asked.id:
        return "", warnings
    if kind == BATCH_TYPE:
        return "", [*warnings, _ID_IDLE]
    _check_custom_id(asked.id)
    return asked.id, [*warnings, _ID_GUESSABLE]


def _check_batch(times: Times, uses: int, policies: tuple[str, ...]) -> None:
    for name, value in (
        ("explicit_max_ttl", times.explicit_max),
        ("num_uses", uses),
        ("period", times.period),
    ):
        if value:
            raise BadRequest(f'batch tokens cannot have "{name}" set')
    if ROOT_POLICY in policies:
        raise BadRequest("batch tokens cannot be root tokens")


def _policies(caller: TokenEntry, asked: Asked, way: Way) -> tuple[str, ...]:
    role = way.role
    if role is not None and role.rules_policies:
        wanted = _by_role(caller, asked, role)
    else:
        bare = asked.no_default_policy or (role is not None and role.no_default_policy)
        wanted = _by_caller(caller, asked, sudo=way.sudo, bare=bare)
    for name in wanted:
        if name in _NOT_ASSIGNABLE:
            raise BadRequest(f'cannot assign policy "{name}"')
    if ROOT_POLICY in wanted and not caller.root:
        raise BadRequest("root tokens may not be created without parent token being root")
    return wanted


def _by_caller(caller: TokenEntry, asked: Asked, *, sudo: bool, bare: bool) -> tuple[str, ...]:
    """What a caller may give away by its own policies; `bare` is without `default`."""
    if not asked.policies:
        wanted = clean_policies(caller.policies, add_default=False)
    elif sudo:
        wanted = clean_policies(asked.policies, add_default=not bare)
    else:
        own = clean_policies(caller.policies, add_default=False)
        wanted = clean_policies(asked.policies, add_default=False)
        if not set(own).issuperset(wanted):
            raise BadRequest("child policies must be subset of parent")
        if not bare and DEFAULT_POLICY in own:
            wanted = clean_policies(wanted, add_default=True)
    return tuple(name for name in wanted if name != DEFAULT_POLICY) if bare else wanted


def _by_role(caller: TokenEntry, asked: Asked, role: TokenRole) -> tuple[str, ...]:
    """What a role that rules policies lets anyone have who may use it."""
    add = not (asked.no_default_policy or role.no_default_policy or role.disallows(DEFAULT_POLICY))
    allowed = clean_policies(role.allowed_policies, add_default=add)
    if role.allowed_policies or role.allowed_policies_glob:
        wanted = clean_policies(asked.policies or allowed, add_default=add)
        globs = role.allowed_policies_glob
        if not all(name in allowed or matches(globs, name) for name in wanted):
            raise BadRequest(
                f"token policies ({_quoted(wanted)}) must be subset of the role's allowed policies "
                f"({_quoted(allowed)}) or glob policies ({_quoted(globs)})"
            )
    else:
        wanted = clean_policies(asked.policies or caller.policies, add_default=add)
    for name in wanted:
        if role.disallows(name):
            raise BadRequest(f'token policy "{name}" is disallowed by this role')
    return wanted


def _quoted(names: Iterable[str]) -> str:
    return "[" + " ".join(f'"{name}"' for name in names) + "]"


def _times(asked: Asked, way: Way, limits: Limits, *, root: bool) -> Times:
    role, warnings = way.role or _NO_ROLE, list[str]()
    own_explicit = _seconds("explicit_max_ttl", asked.explicit_max_ttl)
    own_period = _seconds("period", asked.period)
    if own_period and not way.sudo:
        raise BadRequest("root or sudo privileges required to create periodic token")
    wanted = _seconds("ttl", asked.ttl)
    explicit = lesser(own_explicit, role.explicit_max_ttl)
    period = lesser(own_period, role.period)
    if own_explicit and role.explicit_max_ttl:
        warnings.append(_both("Explicit max TTL", explicit))
    if own_period and role.period:
        warnings.append(_both("Period", period))
    if root and not period and not wanted:
        ttl = explicit
    else:
        ttl, capped = grant(Terms(wanted, period, explicit), limits)
        warnings += capped
    return Times(
        ttl=ttl,
        explicit_max=explicit,
        period=period,
        own_explicit_max=own_explicit,
        own_period=own_period,
        warnings=tuple(warnings),
    )


def _both(what: str, seconds: int) -> str:
    return (
        f"{what} specified both during creation call and in role; "
        f"using the lesser value of {seconds} seconds"
    )


def _networks(role: TokenRole, remote: str, *, lasting: bool) -> tuple[str, ...]:
    """From where the token may be used; a root token that never expires, from anywhere.

    Raises BadRequest where it is to be bound to an address that is not there.
    """
    if lasting:
        return ()
    if not role.strictly_bind_ip:
        return role.bound_cidrs
    if not remote:
        raise BadRequest(_NO_ADDRESS)
    return (remote,)


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
