"""The records of KV version 2. What stands here cannot change, only be added to."""

from enum import IntEnum

import msgspec
from msgspec.structs import replace

from custody.base.record import Record

MAX_VERSIONS = 1024
"""The most that max_versions may be.

The states of all versions lie in one metadata row, which reads decode and writes rewrite (at most
20 KiB at this limit), and erasing a secret with all its versions and the directories that it
leaves empty is one transaction of well under 10,000 keys.
"""


class Config(Record, frozen=True, kw_only=True, omit_defaults=True):
    """The mount's settings."""

    cas_required: bool = False
    metadata_cas_required: bool = False
    max_versions: int = 0  # 0: the default
    delete_version_after: int = 0  # seconds; 0: no limit, -1: disabled for every secret


class State(IntEnum):
    """What was done to a version. Never renumber."""

    LIVE = 0
    DELETED = 1
    DESTROYED = 2


class Version(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The state of one version. `gc=False`: there are thousands, and none is ever in a cycle.

    A deletion that someone asked for is a state of its own, so that a clock set back cannot
    undo it; `deletion_ns` alone is an expiry.
    """

    created_ns: int
    deletion_ns: int = 0
    state: State = State.LIVE

    def gone(self, now_ns: int) -> bool:
        """Whether its payload is withheld at that time."""
        return self.state is not State.LIVE or 0 < self.deletion_ns <= now_ns


class Metadata(Record, frozen=True, kw_only=True, omit_defaults=True):
    """All about one secret but its payloads. `versions` end with number `current`, without gaps.

    A restore brings an older `current` back and leaves the numbers used since below `floor`: they
    were seen by somebody, and no other payload may ever have them.
    """

    created_ns: int
    updated_ns: int
    current: int = 0
    oldest: int = 0
    metadata_version: int = 0
    cas_required: bool = False
    metadata_cas_required: bool = False
    max_versions: int = 0  # 0: as the mount says
    delete_version_after: int = 0  # seconds; 0: as the mount says
    custom: dict[str, str] = msgspec.field(default_factory=dict)
    versions: tuple[Version, ...] = ()
    floor: int = 0  # the highest number in use before a restore, where that is above `current`

    def find(self, number: int) -> Version | None:
        """The version with that number, if it is kept."""
        back = self.current - number
        return self.versions[-1 - back] if 0 <= back < len(self.versions) else None

    def above_floor(self) -> "Metadata":
        """With every number up to `floor` used: those of a restore's lost versions as destroyed."""
        missing = self.floor - self.current
        if missing <= 0:
            return self
        lost = Version(self.updated_ns, self.updated_ns, State.DESTROYED)
        kept = self.versions if missing < MAX_VERSIONS else ()
        versions = (*kept, *[lost] * min(missing, MAX_VERSIONS))
        return replace(self, current=self.floor, versions=versions, floor=0)

    @property
    def numbers(self) -> range:
        """The numbers of `versions`, in the same order."""
        return range(self.current - len(self.versions) + 1, self.current + 1)
