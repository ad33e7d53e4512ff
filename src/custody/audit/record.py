"""What audit entries are made of: who called, where, and what was decided and handed out."""

from collections.abc import Mapping
from typing import Final

import msgspec

NO_KEYS: Final[frozenset[str]] = frozenset()


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls, as their token says. Made once per token entry and used again.

    `id` is the salted hash under which the token is stored: it names the caller in the encoder's
    memory, so that no clear token is kept there.
    """

    id: bytes
    accessor: str = ""
    display_name: str = ""
    policies: tuple[str, ...] = ()
    token_policies: tuple[str, ...] = ()
    identity_policies: tuple[str, ...] = ()
    metadata: Mapping[str, str] | None = None
    entity_id: str = ""
    token_type: str = ""
    token_ttl: int = 0  # seconds
    token_issue_time: str = ""  # RFC 3339
    remaining_uses: int = 0

    def __repr__(self) -> str:
        return f"Caller({self.display_name!r})"


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """The mount that answers. `*_keys` are the mount's audit_non_hmac_*_keys."""

    point: str
    type: str
    accessor: str = ""
    running_version: str = ""
    plugin_class: str = "secret"  # secret or auth
    request_keys: frozenset[str] = NO_KEYS
    response_keys: frozenset[str] = NO_KEYS


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A policy that allowed the request."""

    name: str
    namespace_id: str = "root"
    type: str = "acl"


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rule of a policy and where it stands. For a near miss, `reason` says what was lacking."""

    policy: str
    path: str
    line: int = 0
    reason: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What the policies said, and which rule said it."""

    allowed: bool
    grants: tuple[Grant, ...] = ()
    rule: Rule | None = None
    reason: str = ""
    near_misses: tuple[Rule, ...] = ()


class Wrapped(msgspec.Struct, frozen=True, kw_only=True):
    """A wrapping token that the response hands out."""

    token: str
    accessor: str
    ttl: int  # seconds
    creation_time: str  # RFC 3339
    creation_path: str
    wrapped_accessor: str = ""

    def __repr__(self) -> str:
        return f"Wrapped({self.creation_path!r})"
