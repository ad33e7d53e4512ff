"""The keys, the shares of an unseal in progress, and the ceremonies: what the custodian knows.

No socket, no file: stored rows come in as META rows and go out as changes of them. Made rows go
through a barrier over memory, so that they are the bytes which a running node would have written.
"""

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import NamedTuple

from custody.barrier.barrier import Barrier
from custody.barrier.keyring import (
    CannotUnwrap,
    Keyring,
    new_keyring,
    unwrap_keyring,
    wrap_keyring,
)
from custody.barrier.meta import MetaRow, SealChange, verify_meta, write_meta
from custody.base.clock import Clock
from custody.base.codec import encode
from custody.base.errors import BadRequest, Sealed, Unavailable
from custody.base.ids import Source
from custody.base.secret import Secret
from custody.base.store import RawRows, RawTransaction
from custody.core.ceremony import AnyOutcome, AnyStep
from custody.core.ports import Initialised, SealStatus
from custody.crypto import aead
from custody.seals import recovery
from custody.seals.config import SealConfig, Split
from custody.seals.health import SealHealth
from custody.seals.plan import Plan, Standing
from custody.seals.seal import Renewing, Seal
from custody.seals.shamir import ShamirSeal, UnsealProgress, split_key, unwrap_root_key
from custody.seals.wrapping import Purpose
from custody.serve.ceremonies import Ceremonies
from custody.serve.held import Held, Replacement, seal_config, stored, under_another_seal
from custody.storage.memory import MemoryStore

MetaRows = Collection[tuple[bytes, bytes]]  # raw key, raw value
FirstRows = Callable[[Barrier], Awaitable[Secret[str]]]
_log = logging.getLogger(__name__)


class Opening(NamedTuple):
    """What a share did: the node is open, or will be when this change is stored, or neither."""

    opened: bool = False
    change: SealChange | None = None


class Keeper:
    """Sealed or unsealed, and how far the unseal is."""

    def __init__(
        self,
        first_rows: FirstRows,
        clock: Clock,
        source: Source,
        seal: Seal | None = None,
        plan: Plan | None = None,
    ) -> None:
        """`seal` is the configured one, None where it is Shamir's."""
        self._first_rows = first_rows  # writes what a new store holds, gives the root token
        self._clock = clock
        self._source = source
        self._seal = seal
        self._health = SealHealth(seal, clock, source)
        self._plan = plan or Plan()
        self._progress: UnsealProgress | None = None
        self._migrated: Replacement | None = None
        self._error = ""
        self._held: Held | None = None
        self._ceremonies = Ceremonies(clock, source)

    @property
    def keyring(self) -> Keyring | None:
        """The current keyring; None while sealed."""
        return self._held.keyring if self._held else None

    def status(self) -> SealStatus:
        """Where the unseal stands, and since when the seal does not answer."""
        progress, sealed = self._progress, self._held is None
        return SealStatus(
            sealed=sealed or progress is not None,
            progress=0 if progress is None else progress.count,
            nonce="" if progress is None else progress.nonce,
            error=self._error if sealed or progress is not None else "",
            unhealthy_ns=self._health.unhealthy_ns,
        )

    async def look_at_seal(self) -> float:
        """Find out whether the configured seal answers; how many seconds to come back after."""
        return await self._health.look()

    async def initialise(self, shares: int, threshold: int) -> Initialised:
        """The rows of a new store, its shares and root token; nothing of it is kept.

        Raises BadRequest when the numbers make no split, Unavailable.
        """
        source = self._source
        split = self._split(shares, threshold)
        root_key, shared_key = source.random(aead.KEY_SIZE), source.random(aead.KEY_SIZE)
        keyring = new_keyring(self._clock.now_ns(), source)
        meta = await self._first_meta(split, root_key, shared_key)
        meta[MetaRow.KEYRING] = wrap_keyring(keyring, root_key, source)
        store = MemoryStore()
        barrier = Barrier(store, self._clock, source)
        barrier.install(keyring)
        root_token = await self._first_rows(barrier)

        def write_all(raw: RawTransaction) -> None:
            for name, value in meta.items():
                write_meta(raw, name, value, keyring)

        await store.write(write_all)
        made = [] if split is None else split_key(shared_key, split, source)
        return Initialised(store.dump(), [Secret(share) for share in made], root_token)

    def _split(self, shares: int, threshold: int) -> Split | None:
        """How the key that people hold is split; None under an automatic seal without shares."""
        if self._seal is not None and shares == 0 and threshold == 0:
            return None
        try:
            return Split(shares, threshold)
        except BadRequest as error:
            which = "seal" if self._seal is None else "recovery"
            raise BadRequest(f"invalid {which} configuration: {error.messages[0]}") from error

    async def _first_meta(
        self, split: Split | None, root_key: bytes, shared_key: bytes
    ) -> dict[MetaRow, bytes]:
        seal = self._seal or ShamirSeal(shared_key, self._source)
        config = SealConfig(
            kind=seal.kind,
            identity=seal.identity,
            shares=split.shares if split else 0,
            threshold=split.threshold if split else 0,
        )
        meta = {
            MetaRow.SEAL_CONFIG: encode(config),
            MetaRow.ROOT_KEY: await seal.wrap(root_key, Purpose.ROOT_KEY),
        }
        if config.automatic and split is not None:
            meta |= {
                MetaRow.RECOVERY_ROOT_KEY: recovery.wrap_root_key(
                    root_key, shared_key, self._source
                ),
                MetaRow.RECOVERY_KEY: await seal.wrap(shared_key, Purpose.RECOVERY_KEY),
            }
        return meta

    async def add_share(self, share: bytes, meta: MetaRows, *, migrate: bool = False) -> Opening:
        """Take a share, of the unseal key or, under an automatic seal, of the recovery key.

        Raises BadRequest for a share of impossible length, a full set that is wrong (which starts
        over), and a migration where there is none or that was not asked for; Unavailable when the
        stored rows are not what they should be.
        """
        if self._held is not None:
            return Opening()
        with MemoryStore(meta).snapshot() as rows:
            config = seal_config(rows)
            self._check_migration(config, migrate=migrate)
            if self._progress is None:
                self._progress = UnsealProgress(_shared(config))
            self._progress.add(share, self._source)
            key = self._progress.unseal_key()
            if key is None:
                return Opening()
            self._progress = None
            held = self._opened(rows, config, key)
            if migrate:
                made = await under_another_seal(rows, held, self._seal, key, self._source)
                self._migrated = made
                return Opening(change=made.change)
        self._held = held
        return Opening(opened=True)

    def _check_migration(self, config: SealConfig, *, migrate: bool) -> None:
        standing = self._plan.standing(config)
        if migrate and standing is not Standing.MIGRATION:
            raise BadRequest("can't perform a seal migration, no migration seal found")
        if standing is Standing.MIGRATION and not migrate:
            raise BadRequest("migrate option not provided and seal migration is pending")
        self._plan.check(config)

    def _opened(self, rows: RawRows, config: SealConfig, key: bytes) -> Held:
        if config.automatic:
            root_key = recovery.unwrap_root_key(stored(rows, MetaRow.RECOVERY_ROOT_KEY), key)
        else:
            root_key = unwrap_root_key(stored(rows, MetaRow.ROOT_KEY), key)
        seal = self._seal if config.automatic else None
        return Held(root_key, _keyring(rows, root_key), seal or ShamirSeal(key, self._source))

    def open_migrated(self, meta: MetaRows) -> None:
        """Open with the keys of a migration, whose rows are stored. Raises Unavailable."""
        made, self._migrated = self._migrated, None
        with MemoryStore(meta).snapshot() as rows:
            if made is None or not made.change.made_in(rows):
                raise Unavailable("the migration is not what is stored; look at sys/seal-status")
        if self._held is None:
            self._held = made.held

    async def ask_seal(self, meta: MetaRows) -> Held | None:
        """The keys by the configured seal, None where the store is not to be opened by it.

        Nothing is open yet: `adopt` does that. Raises BadRequest where it is sealed by a seal that
        the configuration does not name, Unavailable.
        """
        if self._held is not None or self._seal is None or not meta:
            return None
        with MemoryStore(meta).snapshot() as rows:
            config = seal_config(rows)
            if not config.automatic or self._plan.standing(config) is Standing.MIGRATION:
                return None
            try:
                self._plan.check(config)
                root_key = await self._seal.unwrap(stored(rows, MetaRow.ROOT_KEY), Purpose.ROOT_KEY)
                return Held(root_key, _keyring(rows, root_key), self._seal)
            except (BadRequest, Unavailable) as error:
                self._error = error.messages[0]  # anybody may see it; the others are for the log
                raise

    def adopt(self, held: Held) -> bool:
        """Open with these keys; says whether the node was not open before."""
        if self._held is not None:
            return False
        self._held, self._progress, self._error = held, None, ""
        return True

    def outdated(self, meta: MetaRows) -> bool:
        """Whether the stored root key is wrapped by a former key of the seal."""
        with MemoryStore(meta).snapshot() as rows:
            blob = stored(rows, MetaRow.ROOT_KEY)
        seal: object = self._seal
        return isinstance(seal, Renewing) and seal.outdated(blob)

    def reset(self) -> None:
        """Forget the shares given so far."""
        self._progress = None

    def forget(self) -> None:
        """Forget the keys. What wipes them is the end of the process."""
        self._held = self._migrated = None
        self._ceremonies.clear()

    async def take(self, step: AnyStep, meta: MetaRows) -> AnyOutcome:
        """One step of a ceremony. Raises Sealed, BadRequest, Unavailable."""
        self.install(meta)
        with MemoryStore(meta).snapshot() as rows:
            outcome = await self._ceremonies.take(step, self._open(), rows)
        if self._held is None:  # forgotten while a seal was asked: what it made is kept no longer
            self._ceremonies.clear()
            raise Sealed
        return outcome

    def install(self, meta: MetaRows) -> Keyring:
        """Take what is stored: keys that a ceremony has replaced, and a keyring that is newer.

        Raises Sealed, Unavailable.
        """
        held = self._open()
        with MemoryStore(meta).snapshot() as rows:
            held = self._ceremonies.seen(rows) or held
            found = _keyring(rows, held.root_key)
        if found.scope != held.keyring.scope:
            raise Unavailable("the stored keyring belongs to another scope")
        if found.version > held.keyring.version:
            held = replace(held, keyring=found)
        self._held = held
        return held.keyring

    def _open(self) -> Held:
        if self._held is None:
            raise Sealed
        return self._held


def _shared(config: SealConfig) -> Split:
    if config.threshold == 0:
        raise BadRequest("there are no recovery shares; the store opens by its seal alone")
    return config.split


def _keyring(rows: RawRows, root_key: bytes) -> Keyring:
    """The stored keyring, all META rows authenticated by it. Raises Unavailable."""
    try:
        keyring = unwrap_keyring(stored(rows, MetaRow.KEYRING), root_key)
    except CannotUnwrap as error:
        raise Unavailable("the stored keyring does not open under the root key") from error
    findings = verify_meta(rows, keyring)
    if findings:
        for finding in findings:
            _log.critical("tampered: %s", finding)
        raise Unavailable("stored rows of the seal do not authenticate")
    return keyring
