"""The root key, the keyring and the shares of an unseal in progress: what the custodian knows.

No socket, no file: stored rows come in as META rows and go out as blobs. Made rows go through a
barrier over memory, so that they are the bytes which a running node would have written.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from custody.barrier.barrier import Barrier
from custody.barrier.keyring import (
    CannotUnwrap,
    Keyring,
    new_keyring,
    unwrap_keyring,
    wrap_keyring,
)
from custody.barrier.meta import MetaRow, read_meta, verify_meta, write_meta
from custody.base.clock import Clock
from custody.base.codec import decode, encode
from custody.base.errors import BadRequest, Sealed, Unavailable
from custody.base.ids import Source
from custody.base.secret import Secret
from custody.base.store import RawTransaction
from custody.core.ports import Initialised, NextKeyring, SealStatus
from custody.seals.config import SealConfig
from custody.seals.shamir import (
    ShamirConfig,
    UnsealProgress,
    split_unseal_key,
    unwrap_root_key,
    wrap_root_key,
)
from custody.storage.memory import MemoryStore

KEY_SIZE = 32
MetaRows = Iterable[tuple[bytes, bytes]]  # raw key, raw value
FirstRows = Callable[[Barrier], Awaitable[Secret[str]]]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Held:
    """An unsealed node's keys."""

    root_key: bytes
    keyring: Keyring

    def __repr__(self) -> str:
        return f"_Held({self.keyring!r})"


class Keeper:
    """Sealed or unsealed, and how far the unseal is."""

    def __init__(self, first_rows: FirstRows, clock: Clock, source: Source) -> None:
        self._first_rows = first_rows  # writes what a new store holds, gives the root token
        self._clock = clock
        self._source = source
        self._progress: UnsealProgress | None = None
        self._held: _Held | None = None

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
            config = ShamirConfig(shares, threshold)
        except BadRequest as error:
            raise BadRequest(f"invalid seal configuration: {error.messages[0]}") from error
        source = self._source
        root_key, unseal_key = source.random(KEY_SIZE), source.random(KEY_SIZE)
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
        split = split_unseal_key(unseal_key, config, source)
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
            self._progress = UnsealProgress(_config(store))
        self._progress.add(share, self._source)
        unseal_key = self._progress.unseal_key()
        if unseal_key is None:
            return False
        self._progress = None
        root_key = unwrap_root_key(_stored(store, MetaRow.ROOT_KEY), unseal_key)
        self._held = _Held(root_key, _keyring(store, root_key))
        return True

    def reset(self) -> None:
        """Forget the shares given so far."""
        self._progress = None

    def forget(self) -> None:
        """Forget the keys. What wipes them is the end of the process."""
        self._held = None

    def next_keyring(self) -> NextKeyring:
        """The keyring with one more term, wrapped. Raises Sealed."""
        held = self._open()
        rotated = held.keyring.rotated(self._clock.now_ns(), self._source)
        blob = wrap_keyring(rotated, held.root_key, self._source)
        return NextKeyring(blob=blob, replaces=held.keyring.version)

    def install(self, meta: MetaRows) -> Keyring:
        """Take the stored keyring unless it is older. Raises Sealed, Unavailable."""
        held = self._open()
        stored = _keyring(MemoryStore(meta), held.root_key)
        if stored.scope != held.keyring.scope:
            raise Unavailable("the stored keyring belongs to another scope")
        if stored.version > held.keyring.version:
            self._held = _Held(held.root_key, stored)
        return self._open().keyring

    def _open(self) -> _Held:
        if self._held is None:
            raise Sealed
        return self._held


def _config(store: MemoryStore) -> ShamirConfig:
    config = decode(SealConfig, _stored(store, MetaRow.SEAL_CONFIG))
    return ShamirConfig(config.shares, config.threshold)


def _stored(store: MemoryStore, name: MetaRow) -> bytes:
    with store.snapshot() as rows:
        value = read_meta(rows, name)
    if value is None:
        raise Unavailable(f"the store has no {name}")
    return value


def _keyring(store: MemoryStore, root_key: bytes) -> Keyring:
    """The stored keyring, all META rows authenticated by it. Raises Unavailable."""
    try:
        keyring = unwrap_keyring(_stored(store, MetaRow.KEYRING), root_key)
    except CannotUnwrap as error:
        raise Unavailable("the stored keyring does not open under the root key") from error
    with store.snapshot() as rows:
        findings = verify_meta(rows, keyring)
    if findings:
        for finding in findings:
            _log.critical("tampered: %s", finding)
        raise Unavailable("stored rows of the seal do not authenticate")
    return keyring
