"""What is asked for a new token, and what was planned of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from custody.token.entry import (
    Spec,
)
from custody.token.roles import TokenRole


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
    role: TokenRole | None = None
    remote: str = ""  # the caller's address


@dataclass(frozen=True, slots=True)
class Plan:
    """A token that may be made, and what the caller should know of it."""

    spec: Spec
    orphan: bool
    id: str  # the id that was chosen, or empty
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Times:
    """What was found of a token's life, in seconds; 0 is none.

    `own_*` are what the token itself keeps, as it was asked for: what its role says is read there
    when it is renewed.
    """

    ttl: int
    explicit_max: int
    period: int
    own_explicit_max: int
    own_period: int
    warnings: tuple[str, ...]
