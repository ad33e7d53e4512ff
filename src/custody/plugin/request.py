"""What a handler is given and what it gives back.

Structs of msgspec rather than dataclasses: several are made per request, at a tenth of the cost.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import IO, Any

import msgspec

from custody.base.ids import Source


class Mount(msgspec.Struct, frozen=True):
    """Where the request landed."""

    id: bytes  # 8 bytes, never reused
    path: str  # with trailing slash: "secret/", "auth/token/"
    kind: str
    accessor: str
    options: Mapping[str, str]
    default_lease_ttl: int  # seconds, effective
    max_lease_ttl: int


class Caller(msgspec.Struct, frozen=True):
    """The authenticated token, as far as a handler may know it."""

    id: bytes  # salted hash of the token: its key in the store
    accessor: str
    policies: tuple[str, ...]
    display_name: str
    entity_id: str
    root: bool
    sudo: bool  # sudo on this very path
    num_uses: int
    expires_ns: int  # 0: never
    token_type: str = "service"  # noqa: S105 the name of a kind, not a password


class Request(msgspec.Struct):
    """One request to one handler. `body` is an instance of the action's Fields class, or None.

    `warnings` are the handler's own and make an answer of a 204; `ignored` are the core's, about
    fields that nobody reads, and are shown only where the answer has a body anyway.
    """

    id: str
    path: str  # below the mount
    mount: Mount
    params: Mapping[str, str]
    now_ns: int
    source: Source
    body: Any = None
    raw: Mapping[str, Any] = msgspec.field(default_factory=dict)
    query: Mapping[str, str] = msgspec.field(default_factory=dict)
    caller: Caller | None = None
    remote: str = ""
    warnings: list[str] = msgspec.field(default_factory=list)
    ignored: list[str] = msgspec.field(default_factory=list)
    op: str = ""
    upload: AsyncIterator[bytes] | None = None  # the body of a route that takes uploads
    wrap_ttl: int = 0  # seconds for which the answer is to be wrapped; 0: it is not

    def __repr__(self) -> str:
        return f"Request({self.id!r}, {self.op!r}, {self.path!r})"

    def warn(self, text: str) -> None:
        """Add a warning to the answer, which then has a body to carry it."""
        if text not in self.warnings:
            self.warnings.append(text)


class Auth(msgspec.Struct, frozen=True):
    """A token handed out or renewed: the `auth` part of an answer."""

    client_token: str
    accessor: str
    policies: tuple[str, ...]
    token_policies: tuple[str, ...]
    metadata: Mapping[str, str] | None
    lease_duration: int  # seconds
    renewable: bool
    entity_id: str = ""
    token_type: str = "service"  # noqa: S105 the name of a kind, not a password
    orphan: bool = True
    num_uses: int = 0

    def __repr__(self) -> str:
        return f"Auth(accessor={self.accessor!r})"


class WrapInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where an answer was put away: the `wrap_info` part of the answer that is given instead."""

    token: str
    accessor: str
    ttl: int  # seconds
    creation_time: str  # RFC 3339
    creation_path: str
    wrapped_accessor: str = ""  # of a token in the answer

    def __repr__(self) -> str:
        return f"WrapInfo({self.creation_path!r})"


class Reply(msgspec.Struct):
    """An answer. `status` None means 200 with anything to say, else 204.

    `created` are tokens (salted hashes) that only this answer can deliver: they are revoked if
    the answer cannot be recorded.
    """

    data: Mapping[str, Any] | None = None
    status: int | None = None
    auth: Auth | None = None
    lease_duration: int = 0
    content: bytes | None = None  # a raw, non-JSON answer
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    created: tuple[bytes, ...] = ()
    # As `content`: a file, sent from its beginning and closed, or pieces as they are made.
    file: IO[bytes] | AsyncGenerator[bytes, None] | None = None
    wrap: WrapInfo | None = None
    recorded: Mapping[str, Any] | None = None  # for the audit record alone, beside `data`

    def __repr__(self) -> str:
        return f"Reply(status={self.status!r})"
