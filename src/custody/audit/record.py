"""Owns what is audited: the entries that the pipeline hands over, one per request and response.

An entry holds clear values, secrets among them: it prints nothing of them and never leaves the
process. `encode` turns it into the record that a device keeps.
"""

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


class RequestEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it is about to be acted on, or denied (then with `error`).

    `clear_numbers` are the route's: the names in its data and its answer's under which numbers are
    no secret; None: they are none anywhere. Entries with the same `subject` (the same object) are
    equal in all but time, id, data, remote address and port: what they share is encoded once.
    """

    time_ns: int
    id: str
    operation: str  # read, create, update, patch, delete, list, scan, help
    path: str
    client_token: str = ""
    caller: Caller | None = None
    mount: Mount | None = None
    decision: Decision | None = None
    data: Mapping[str, object] | None = None
    remote_address: str = ""
    remote_port: int = 0
    wrap_ttl: int = 0  # seconds
    headers: Mapping[str, tuple[str, ...]] | None = None  # only those that are to be logged
    clear_headers: frozenset[str] = NO_KEYS  # names whose values are not hashed
    client_id: str = ""
    namespace_id: str = "root"
    namespace_path: str = ""
    error: str = ""
    clear_numbers: frozenset[str] | None = None
    subject: object = None
    encoded: dict[object, bytes] = msgspec.field(default_factory=dict)  # the encoders' own memory

    def __repr__(self) -> str:
        return f"RequestEntry({self.id!r})"


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


class ResponseEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What is about to be answered to `request`; with `event_id`, the record of a commit.

    `auth` and `auth_token` are the caller and token that a login or token creation made.
    `recovered` marks the record of a commit that was written after the fact.
    """

    time_ns: int
    request: RequestEntry
    data: Mapping[str, object] | None = None
    auth: Caller | None = None
    auth_token: str = ""
    lease_id: str = ""
    wrap: Wrapped | None = None
    warnings: tuple[str, ...] = ()
    error: str = ""
    event_id: str = ""
    recovered: bool = False

    def __repr__(self) -> str:
        return f"ResponseEntry({self.request.id!r})"


Entry = RequestEntry | ResponseEntry
