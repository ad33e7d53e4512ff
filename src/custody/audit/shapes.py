"""The shapes of audit records as they are encoded: Vault's members, and `custody` with our own."""

from typing import TypedDict

import msgspec

from custody.audit.record import (
    Grant,
    Rule,
)


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """A device's choices of what its records show."""

    hmac_accessor: bool = True
    log_raw: bool = False
    elide_list_responses: bool = False


class Results(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What the policies said, and which of them."""

    allowed: bool
    granting_policies: tuple[Grant, ...] = ()


class Auth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Who asked, or whom the answer makes known."""

    client_token: str = ""
    accessor: str = ""
    display_name: str = ""
    policies: tuple[str, ...] = ()
    token_policies: tuple[str, ...] = ()
    identity_policies: tuple[str, ...] = ()
    policy_results: Results | None = None
    metadata: object = None
    entity_id: str = ""
    token_type: str = ""
    token_ttl: int = 0
    token_issue_time: str = ""
    remaining_uses: int = 0


class Namespace(msgspec.Struct, frozen=True, gc=False):
    """Where the path begins."""

    id: str
    path: str


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What was asked."""

    id: str
    client_id: str = ""
    operation: str
    mount_point: str = ""
    mount_type: str = ""
    mount_accessor: str = ""
    mount_running_version: str = ""
    mount_class: str = ""
    client_token: str = ""
    client_token_accessor: str = ""
    namespace: Namespace
    path: str
    data: object = None
    remote_address: str = ""
    remote_port: int = 0
    wrap_ttl: int = 0
    headers: dict[str, list[str]] | None = None


class Secret(msgspec.Struct, frozen=True, gc=False):
    """The lease that the answer carries."""

    lease_id: str


class Wrap(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Where the answer was put away."""

    ttl: int
    token: str
    accessor: str
    creation_time: str
    creation_path: str
    wrapped_accessor: str = ""


class Response(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What was answered."""

    auth: msgspec.Raw | None = None
    mount_point: str = ""
    mount_type: str = ""
    mount_accessor: str = ""
    mount_running_version: str = ""
    mount_class: str = ""
    secret: Secret | None = None
    data: object = None
    wrap_info: Wrap | None = None
    warnings: tuple[str, ...] = ()


class Both(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The members that both records of a request carry."""

    auth: msgspec.Raw | Auth | None = None
    request: Request


class Fate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The commit that the record belongs to."""

    event_id: str = ""
    recovered: bool = False


class Why(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The rule that decided, and those that came near."""

    rule: Rule | None = None
    reason: str = ""
    near_misses: tuple[Rule, ...] = ()


class MountFields(TypedDict):
    """The members that name a mount."""

    mount_point: str
    mount_type: str
    mount_accessor: str
    mount_running_version: str
    mount_class: str
