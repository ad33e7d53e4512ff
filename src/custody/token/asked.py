"""What is asked for a new token, what may be made of it, and what was made.

Plain classes, since several are made with each token: see docs/explain/compiled.md.
"""

from collections.abc import Mapping
from typing import Final

from custody.token.entry import ROOT_PATH, ROOT_POLICY, SERVICE_TYPE, TokenEntry
from custody.token.roles import TokenRole

_NO_META: Final[Mapping[str, str]] = {}


class Asked:
    """The fields of a request for a token; durations as they came."""

    def __init__(  # noqa: PLR0913 one for each field
        self,
        *,
        id: str = "",  # noqa: A002 the field's own name
        policies: tuple[str, ...] = (),
        meta: Mapping[str, str] = _NO_META,
        no_parent: bool = False,
        no_default_policy: bool = False,
        renewable: bool = True,
        ttl: object = "",
        explicit_max_ttl: object = "",
        period: object = "",
        display_name: str = "",
        num_uses: int = 0,
        type: str = "",  # noqa: A002 the same
        entity_alias: str = "",
    ) -> None:
        self.id: Final = id
        self.policies: Final = policies
        self.meta: Final = meta
        self.no_parent: Final = no_parent
        self.no_default_policy: Final = no_default_policy
        self.renewable: Final = renewable
        self.ttl: Final = ttl
        self.explicit_max_ttl: Final = explicit_max_ttl
        self.period: Final = period
        self.display_name: Final = display_name
        self.num_uses: Final = num_uses
        self.type: Final = type
        self.entity_alias: Final = entity_alias


class Way:
    """By which request the token is asked for.

    `path` is whole, such as auth/token/create; `sudo` says that the caller has root or sudo on it,
    `orphan` that the path itself makes orphans. `remote` is the caller's address.
    """

    def __init__(
        self,
        path: str,
        *,
        sudo: bool,
        orphan: bool = False,
        role: TokenRole | None = None,
        remote: str = "",
    ) -> None:
        self.path: Final = path
        self.sudo: Final = sudo
        self.orphan: Final = orphan
        self.role: Final = role
        self.remote: Final = remote


class Times:
    """What was found of a token's life, in seconds; 0 is none.

    `own_*` are what the token itself keeps, as it was asked for: what its role says is read there
    when it is renewed.
    """

    def __init__(
        self,
        *,
        ttl: int,
        explicit_max: int,
        period: int,
        own_explicit_max: int,
        own_period: int,
        warnings: tuple[str, ...],
    ) -> None:
        self.ttl: Final = ttl
        self.explicit_max: Final = explicit_max
        self.period: Final = period
        self.own_explicit_max: Final = own_explicit_max
        self.own_period: Final = own_period
        self.warnings: Final = warnings


class Spec:
    """A token that may be made: the outcome of every rule on creation.

    `ttl` 0: it never expires.
    """

    def __init__(  # noqa: PLR0913 one for each field
        self,
        *,
        policies: tuple[str, ...],
        path: str,
        display_name: str = "token",
        meta: Mapping[str, str] = _NO_META,
        ttl: int = 0,
        explicit_max_ttl: int = 0,
        period: int = 0,
        num_uses: int = 0,
        renewable: bool = True,
        entity_id: str = "",
        type: str = SERVICE_TYPE,  # noqa: A002 the field's own name
        role: str = "",
        bound_cidrs: tuple[str, ...] = (),
    ) -> None:
        self.policies: Final = policies
        self.path: Final = path
        self.display_name: Final = display_name
        self.meta: Final = meta
        self.ttl: Final = ttl
        self.explicit_max_ttl: Final = explicit_max_ttl
        self.period: Final = period
        self.num_uses: Final = num_uses
        self.renewable: Final = renewable
        self.entity_id: Final = entity_id
        self.type: Final = type
        self.role: Final = role
        self.bound_cidrs: Final = bound_cidrs


class Plan:
    """A token that may be made, and what the caller should know of it.

    `id` is the id that was chosen, or empty.
    """

    def __init__(
        self,
        spec: Spec,
        id: str,  # noqa: A002 the field's own name
        warnings: tuple[str, ...],
        *,
        orphan: bool,
    ) -> None:
        self.spec: Final = spec
        self.id: Final = id
        self.warnings: Final = warnings
        self.orphan: Final = orphan


class Handle:
    """Under which names a new token is kept; `chosen` says that somebody may have chosen its id."""

    def __init__(
        self, token_hash: bytes, accessor: str, accessor_hash: bytes, *, chosen: bool = True
    ) -> None:
        self.token_hash: Final = token_hash
        self.accessor: Final = accessor
        self.accessor_hash: Final = accessor_hash
        self.chosen: Final = chosen


class Created:
    """A token that was made."""

    def __init__(self, entry: TokenEntry, token_hash: bytes) -> None:
        self.entry: Final = entry
        self.token_hash: Final = token_hash


def root_spec() -> Spec:
    """The root token that initialisation or a quorum of share holders makes."""
    return Spec(policies=(ROOT_POLICY,), path=ROOT_PATH, display_name=ROOT_POLICY, renewable=False)
