"""What core needs of the processes around it, as contracts that `serve` fills.

The custodian alone holds the root key. It sees no store and no network: a worker hands it the
stored blobs and writes back the blobs it answers with.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from custody.audit.entry import Entry
from custody.audit.table import AuditTable, DeviceConfig
from custody.barrier.meta import SealChange
from custody.base.secret import Secret
from custody.core.ceremony import AnyOutcome, AnyStep


@dataclass(frozen=True, slots=True)
class SealStatus:
    """Progress of the unseal in the custodian."""

    sealed: bool
    progress: int
    nonce: str
    error: str = ""  # why an automatic seal did not open the node when it was last tried
    unhealthy_ns: int = 0  # since when the configured seal does not answer; 0: it does


@dataclass(frozen=True, slots=True)
class Initialised:
    """What initialisation made: the first rows of the store, and what is shown exactly once."""

    rows: Sequence[tuple[bytes, bytes]]  # raw key, raw value
    shares: Sequence[Secret[bytes]]
    root_token: Secret[str]


@dataclass(frozen=True, slots=True)
class Unsealing:
    """What a share did. A change is the last step of a migration: it opens once it is stored."""

    status: SealStatus
    change: SealChange | None = None


class Custodian(Protocol):
    """The process that holds the root key, as a worker or the steward sees it."""

    async def status(self) -> SealStatus:
        """Where the unseal stands."""
        ...

    async def initialise(self, shares: int, threshold: int) -> Initialised:
        """Make root key, keyring and first rows. The caller writes the rows in one transaction.

        Under an automatic seal the shares are recovery shares, of which there may be none. Raises
        BadRequest when the numbers make no split. The custodian keeps nothing.
        """
        ...

    async def unseal(
        self, share: Secret[bytes], meta: Mapping[bytes, bytes], *, migrate: bool = False
    ) -> Unsealing:
        """Add one share; `meta` are the stored META rows (seal config, wrapped keys).

        When the threshold is met every process of the node has its keyring, and the steward has
        prepared the store, before this returns; or, with `migrate`, it returns what must be stored
        and shown to `open_migrated`. Raises BadRequest for a wrong set of shares.
        """
        ...

    async def open_migrated(self, meta: Mapping[bytes, bytes]) -> SealStatus:
        """Open the node, whose stored rows are now those of the migration. Raises Unavailable."""
        ...

    async def unseal_automatically(self, meta: Mapping[bytes, bytes]) -> bool:
        """Open the node by its automatic seal, unless somebody has sealed it or it waits for a
        migration; says whether what is stored should be wrapped anew. Raises SealUnavailable.
        """
        ...

    async def reset(self) -> SealStatus:
        """Forget the shares given so far."""
        ...

    async def seal(self) -> None:
        """Every process drops its keys before this returns; all are then started anew, sealed."""
        ...

    async def take(self, step: AnyStep, meta: Mapping[bytes, bytes]) -> AnyOutcome:
        """Take a step of a ceremony; `meta` are the stored META rows.

        Raises Sealed, BadRequest for what its bearer did wrong, Unavailable.
        """
        ...

    async def set_level(self, logger: str, level: str) -> None:
        """Have every process log at this level, until the next start or reload.

        `logger` empty: all of them; `level` empty: as the configuration says.
        """
        ...

    async def restart(self) -> None:
        """Have every process but the custodian's started anew; the keys stay where they are."""
        ...

    async def install(self, meta: Mapping[bytes, bytes]) -> None:
        """Take what is stored as what is valid, and hand the keyring to every process."""
        ...


class Journal(Protocol):
    """The log of the node."""

    def follow(self, level: str, form: str, may: Callable[[], bool]) -> AsyncGenerator[bytes, None]:
        """What every process logs from now on at `level` and above, until the node stops.

        It ends once `may`, which is asked again and again, says no. Raises TooManyRequests.
        """
        ...


class Devices(Protocol):
    """The audit devices, as `custody.audit.broker.Broker` has them."""

    @property
    def crowded(self) -> bool:
        """Whether this turn of the event loop has had a large record: let the next one come."""
        ...

    def use(self, table: AuditTable) -> None:
        """Record to the devices of `table` from now on."""
        ...

    def record(self, *entries: Entry) -> Awaitable[None]:
        """Done once a device has kept all. Raises AuditFailed, now or then."""
        ...

    def hash(self, path: str, text: str) -> str:
        """What `text` looks like in the records of the device at `path`. Raises BadRequest."""
        ...

    async def probe(self, path: str, config: DeviceConfig) -> None:
        """Write a test record to a device about to be enabled. Raises BadRequest."""
        ...

    async def contains(self, event_ids: set[str], since_ns: int) -> set[str]:
        """Those of `event_ids` that a device already holds. Raises DeviceFailed."""
        ...

    async def close(self) -> None:
        """Finish what was taken; from then on every record is refused."""
        ...


class Metrics(Protocol):
    """This process's slot of the shared page, and the sum over all."""

    def add(self, name: str, amount: int = 1) -> None:
        """Count in this process's slot."""
        ...

    def totals(self) -> Mapping[str, int]:
        """The sums over all processes."""
        ...

    @property
    def started_ns(self) -> int:
        """When counting began: boot time, nanoseconds."""
        ...
