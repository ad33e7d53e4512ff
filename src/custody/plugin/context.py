"""What stands around a request and its answer: the mount, the caller, a token, a wrapped answer."""

from collections.abc import Mapping

import msgspec


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
