"""Token roles: what tokens made by way of a role may be, as pure rules and rows of their own."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from custody.base.codec import decode, encode
from custody.base.errors import BadRequest
from custody.base.record import Record
from custody.base.store import Rows, Table, Transaction
from custody.token.entry import BATCH_TYPE, SERVICE_TYPE

DEFAULT_SERVICE, DEFAULT_BATCH = "default-service", "default-batch"
TYPES: Final = frozenset((SERVICE_TYPE, BATCH_TYPE, DEFAULT_SERVICE, DEFAULT_BATCH))
_SUFFIX: Final = re.compile(r"\w[\w.-]+\w", re.ASCII)


class TokenRole(Record, frozen=True, kw_only=True):
    """A role. The fields `old_*` say what came under a name from before `token_*`."""

    name: str
    allowed_policies: tuple[str, ...] = ()
    disallowed_policies: tuple[str, ...] = ()
    allowed_policies_glob: tuple[str, ...] = ()
    disallowed_policies_glob: tuple[str, ...] = ()
    orphan: bool = False
    renewable: bool = True
    path_suffix: str = ""
    allowed_entity_aliases: tuple[str, ...] | None = None
    period: int = 0  # seconds; 0: not periodic
    explicit_max_ttl: int = 0  # seconds; 0: none
    bound_cidrs: tuple[str, ...] = ()
    no_default_policy: bool = False
    num_uses: int = 0  # 0: unlimited
    strictly_bind_ip: bool = False
    type: str = DEFAULT_SERVICE
    old_period: int = 0
    old_explicit_max_ttl: int = 0
    old_bound_cidrs: tuple[str, ...] = ()

    @property
    def rules_policies(self) -> bool:
        """Whether the role itself says which policies a token may have."""
        return bool(
            self.allowed_policies
            or self.disallowed_policies
            or self.allowed_policies_glob
            or self.disallowed_policies_glob
        )

    def disallows(self, policy: str) -> bool:
        """Whether no token of this role may have that policy."""
        return policy in self.disallowed_policies or matches(self.disallowed_policies_glob, policy)


def matches(patterns: Iterable[str], text: str) -> bool:
    """Whether one of the patterns, in which `*` stands for anything, matches the text."""
    return any(_matches(pattern, text) for pattern in patterns)


def read(rows: Rows, name: str) -> TokenRole | None:
    """The role of that name, or None."""
    return rows.memo(Table.ROLE, name.encode("utf-8", "surrogatepass"), _decode)


def write(txn: Transaction, role: TokenRole) -> None:
    """Set a role. Raises BadRequest for one whose tokens could not be."""
    _check(role)
    txn.put(Table.ROLE, role.name.encode(), encode(role))


def delete(txn: Transaction, name: str) -> None:
    """Remove a role, if it is there: its tokens live on, and are not renewed."""
    txn.delete(Table.ROLE, name.encode())


def names(rows: Rows, after: str, limit: int) -> list[str]:
    """Up to `limit` names of roles that come after `after`, sorted."""
    return [key.decode() for key, _ in rows.scan(Table.ROLE, b"", after.encode(), limit)]


def show(role: TokenRole) -> Mapping[str, Any]:
    """A role as clients read it: fields under their old names repeat what came under those."""
    aliases = role.allowed_entity_aliases
    shown: dict[str, Any] = {
        "name": role.name,
        "allowed_policies": role.allowed_policies,
        "disallowed_policies": role.disallowed_policies,
        "allowed_policies_glob": role.allowed_policies_glob,
        "disallowed_policies_glob": role.disallowed_policies_glob,
        "orphan": role.orphan,
        "renewable": role.renewable,
        "path_suffix": role.path_suffix,
        "allowed_entity_aliases": aliases,
        "period": role.old_period,
        "explicit_max_ttl": role.old_explicit_max_ttl,
        "token_period": role.period,
        "token_explicit_max_ttl": role.explicit_max_ttl,
        "token_no_default_policy": role.no_default_policy,
        "token_type": role.type,
    }
    if role.bound_cidrs:
        shown["token_bound_cidrs"] = role.bound_cidrs
    if role.old_bound_cidrs:
        shown["bound_cidrs"] = role.old_bound_cidrs
    if role.num_uses:
        shown["token_num_uses"] = role.num_uses
    if role.strictly_bind_ip:
        shown["token_strictly_bind_ip"] = True
    return shown


def _check(role: TokenRole) -> None:
    if role.type not in TYPES:
        raise BadRequest(f"invalid 'token_type' value \"{role.type}\"")
    if role.path_suffix and not _SUFFIX.fullmatch(role.path_suffix):
        raise BadRequest(
            "given role path suffix contains invalid characters; must match \\w[\\w-.]+\\w"
        )
    if role.num_uses < 0:
        raise BadRequest("error parsing role fields: 'token_num_uses' cannot be negative")
    if role.type in (BATCH_TYPE, DEFAULT_BATCH):
        _check_batch(role)


def _check_batch(role: TokenRole) -> None:
    """Some combinations are wrong only where the role leaves no choice of the type."""
    start = "error parsing role fields: 'token_type' cannot be 'batch' or 'default_batch' when set"
    if role.period:
        raise BadRequest(f"{start} to generate periodic tokens")
    if role.num_uses:
        raise BadRequest(f"{start} to generate tokens with limited use count")
    if role.type != BATCH_TYPE:
        return
    start = "'token_type' cannot be 'batch' when role is set to generate"
    if not role.orphan:
        raise BadRequest(f"{start} non-orphan tokens")
    if role.renewable:
        raise BadRequest(f"{start} renewable tokens")
    if role.explicit_max_ttl:
        raise BadRequest(f"{start} tokens with an explicit max TTL")


def _matches(pattern: str, text: str) -> bool:
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    if not text.startswith(first):
        return False
    place = len(first)
    for part in rest[:-1]:
        found = text.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return len(text) - place >= len(rest[-1]) and text.endswith(rest[-1])


def _decode(data: bytes) -> TokenRole:
    return decode(TokenRole, data)
