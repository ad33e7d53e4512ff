"""The shapes of what stands around an answer's data: the envelope, its parts, and errors.

`custody.http.response` writes them; this is what the description of the API says of them.
"""

from typing import Any, NotRequired, TypedDict


class WrapInfo(TypedDict):
    """Where an answer was put away."""

    token: str
    accessor: str
    ttl: int
    creation_time: str
    creation_path: str
    wrapped_accessor: NotRequired[str]


class Auth(TypedDict):
    """A token handed out or renewed."""

    client_token: str
    accessor: str
    policies: list[str]
    token_policies: NotRequired[list[str]]
    metadata: dict[str, str] | None
    lease_duration: int
    renewable: bool
    entity_id: str
    token_type: str
    orphan: bool
    mfa_requirement: None
    num_uses: int


class Envelope(TypedDict):
    """What every answer has that is not raw."""

    request_id: str
    lease_id: str
    renewable: bool
    lease_duration: int
    data: dict[str, Any] | None
    wrap_info: WrapInfo | None
    warnings: list[str] | None
    auth: Auth | None


class UsedToken(TypedDict):
    """A wrapping token that somebody has used before."""

    used_time: str


class Errors(TypedDict):
    """What says why nothing was done."""

    errors: list[str]
    wrapping_token: NotRequired[UsedToken]
