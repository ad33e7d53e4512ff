"""The shape of every answer's body, as Vault has it."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from custody.plugin.context import WrapInfo


class AuthPart(msgspec.Struct, frozen=True):
    """`auth` as clients read it."""

    client_token: str
    accessor: str
    policies: tuple[str, ...]
    token_policies: tuple[str, ...] | msgspec.UnsetType
    metadata: Mapping[str, str] | None
    lease_duration: int
    renewable: bool
    entity_id: str
    token_type: str
    orphan: bool
    mfa_requirement: None
    num_uses: int


class Envelope(msgspec.Struct, frozen=True):
    """The parts of a logical answer; absent ones are null, empty, false or 0, never left out."""

    request_id: str
    lease_id: str
    renewable: bool
    lease_duration: int
    data: Mapping[str, Any] | None
    wrap_info: WrapInfo | None
    warnings: Sequence[str] | None
    auth: AuthPart | None
