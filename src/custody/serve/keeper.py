"""The keys, the shares of an unseal in progress, and the ceremonies: what the custodian knows.

No socket, no file: stored rows come in as META rows and go out as changes of them. Made rows go
through a barrier over memory, so that they are the bytes which a running node would have written.
"""

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace

from custody.barrier.barrier import Barrier
from custody.barrier.keyring import (
    CannotUnwrap,
    Keyring,
    new_keyring,
    unwrap_keyring,
    wrap_keyring,
)
from custody.barrier.meta import MetaRow, verify_meta, write_meta
from custody.base.clock import Clock
from custody.base.codec import encode
from custody.base.errors import BadRequest, Sealed, Unavailable
from custody.base.ids import Source
from custody.base.secret import Secret
from custody.base.store import RawTransaction
from custody.core.ceremony import AnyOutcome, AnyStep
from custody.core.ports import Initialised, SealStatus
from custody.crypto import aead
from custody.seals.config import SealConfig, Split
from custody.seals.shamir import (
    ShamirSeal,
    UnsealProgress,
    split_key,
    unwrap_root_key,
    wrap_root_key,
)
from custody.serve.ceremonies import Ceremonies
from custody.serve.held import Held, seal_config, stored
from custody.storage.memory import MemoryStore

MetaRows = Collection[tuple[bytes, bytes]]  # raw key, raw value
FirstRows = Callable[[Barrier], Awaitable[Secret[str]]]
_log = logging.getLogger(__name__)


class Keeper:
    """Sealed or unsealed, and how far the unseal is."""

    def __init__(self, first_rows: FirstRows, clock: Clock, source: Source) -> None:
        self._first_rows = first_rows  # writes what a new store holds, gives the root token
        self._clock = clock
        self._source = source
        self._progress: UnsealProgress | None = None
        self._held: Held | None = None
        self._ceremonies = Ceremonies(clock, source)

    @property
    def keyring(self) -> Keyring | None:
        """The current keyring; None while sealed."""
        return self._held.keyring if self._held else None

    def status(self) -> SealStatus:
        """Where the unseal stands."""
        if self._progress is None:
            return SealStatus(sealed=self._held is None, progress=0, nonce="")
        return SealStatus(sealed=True, progress=self._progress.count, nonce=self._progress.nonce)

    async def initialise(self, shares: int, threshold: int) -> Initialised:
        """The rows of a new store, its shares and root token; nothing of it is kept.

        Raises BadRequest when the numbers make no split.
        """
        try:
            config = Split(shares, threshold)
        except BadRequest as error:
            raise BadRequest(f"invalid seal configuration: {error.messages[0]}") from error
        source = self._source
        root_key, unseal_key = source.random(aead.KEY_SIZE), source.random(aead.KEY_SIZE)
        keyring = new_keyring(self._clock.now_ns(), source)
        meta = {
            MetaRow.SEAL_CONFIG: encode(SealConfig(shares=shares, threshold=threshold)),
            MetaRow.ROOT_KEY: wrap_root_key(root_key, unseal_key, source),
            MetaRow.KEYRING: wrap_keyring(keyring, root_key, source),
        }
        store = MemoryStore()
        barrier = Barrier(store, self._clock, source)
        barrier.install(keyring)
        root_token = await self._first_rows(barrier)

        def write_all(raw: RawTransaction) -> None:
            for name, value in meta.items():
                write_meta(raw, name, value, keyring)

        await store.write(write_all)
        split = split_key(unseal_key, config, source)
        return Initialised(store.dump(), [Secret(share) for share in split], root_token)

    def add_share(self, share: bytes, meta: MetaRows) -> bool:
        """Take a share; says whether it was the one that unsealed.

        Raises BadRequest for a share of impossible length or a full set that is wrong (which
        starts over), Unavailable when the stored rows are not what they should be.
        """
        if self._held is not None:
            return False
        store = MemoryStore(meta)
        if self._progress is None:
            with store.snapshot() as rows:
                self._progress = UnsealProgress(seal_config(rows).split)
        self._progress.add(share, self._source)
        unseal_key = self._progress.unseal_key()
        if unseal_key is None:
            return False
        self._progress = None
        with store.snapshot() as rows:
            root_key = unwrap_root_key(stored(rows, MetaRow.ROOT_KEY), unseal_key)
        seal = ShamirSeal(unseal_key, self._source)
        self._held = Held(root_key, _keyring(store, root_key), seal)
        return True

    def reset(self) -> None:
        """Forget the shares given so far."""
        self._progress = None

    def forget(self) -> None:
        """Forget the keys. What wipes them is the end of the process."""
        self._held = None
        self._ceremonies.clear()

    async def take(self, step: AnyStep, meta: MetaRows) -> AnyOutcome:
        """One step of a ceremony. Raises Sealed, BadRequest, Unavailable."""
        self.install(meta)
        with MemoryStore(meta).snapshot() as rows:
            return await self._ceremonies.take(step, self._open(), rows)

    def install(self, meta: MetaRows) -> Keyring:
        """Take what is stored: keys that a ceremony has replaced, and a keyring that is newer.

        Raises Sealed, Unavailable.
        """
        held, store = self._open(), MemoryStore(meta)
        with store.snapshot() as rows:
            held = self._ceremonies.seen(rows) or held
        found = _keyring(store, held.root_key)
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


def _keyring(store: MemoryStore, root_key: bytes) -> Keyring:
    """The stored keyring, all META rows authenticated by it. Raises Unavailable."""
    try:
        with store.snapshot() as rows:
            keyring = unwrap_keyring(stored(rows, MetaRow.KEYRING), root_key)
    except CannotUnwrap as error:
        raise Unavailable("the stored keyring does not open under the root key") from error
    with store.snapshot() as rows:
        findings = verify_meta(rows, keyring)
    if findings:
        for finding in findings:
            _log.critical("tampered: %s", finding)
        raise Unavailable("stored rows of the seal do not authenticate")
    return keyring
