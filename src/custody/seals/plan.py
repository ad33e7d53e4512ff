"""Which seal the configuration wants, which it gives up, and what that means for a stored one."""

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from custody.base.errors import BadRequest
from custody.seals.config import SHAMIR, SealConfig


class Named(NamedTuple):
    """One seal as both sides of a migration know it; no secret."""

    kind: str
    identity: str = ""


class Standing(Enum):
    """How a stored seal stands to the configured one."""

    AS_CONFIGURED = "as configured"
    MIGRATION = "migration"  # share holders may move it to the configured one
    MISMATCH = "mismatch"  # the configuration does not say that it gives the stored one up


_BY_PEOPLE: Final = Named(SHAMIR)


@dataclass(frozen=True, slots=True)
class Plan:
    """The configuration's seals. `disabled` are those that it gives up."""

    active: Named = _BY_PEOPLE
    disabled: tuple[Named, ...] = ()

    @property
    def automatic(self) -> bool:
        """Whether the configured seal opens without share holders."""
        return self.active.kind != SHAMIR

    def standing(self, stored: SealConfig) -> Standing:
        """What the configuration means for a store with that seal.

        Of two keys of one kind, only a stanza that gives up the stored one makes a migration: a
        server that moved to another address is no other key.
        """
        if stored.kind != self.active.kind:
            given_up = not stored.automatic or any(one.kind == stored.kind for one in self.disabled)
            return Standing.MIGRATION if given_up else Standing.MISMATCH
        old = Named(stored.kind, stored.identity)
        moved = old in self.disabled and old != self.active
        return Standing.MIGRATION if moved else Standing.AS_CONFIGURED

    def check(self, stored: SealConfig) -> None:
        """Raises BadRequest where nothing opens a store with that seal under this configuration."""
        if self.standing(stored) is Standing.MISMATCH:
            raise BadRequest(
                f"the store is sealed by {stored.kind}, which is not configured: to migrate, name "
                'it in the configuration with disabled = "true"'
            )
