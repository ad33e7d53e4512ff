"""An unsealed node's keys, and what the rows of the seal become when one of them is replaced.

A replacement is a value: the rows to be stored, and the keys that are valid once they are. Whoever
holds the keys takes them when it is shown that the rows are stored, and not before.
"""

import hmac
from dataclasses import dataclass, replace
from typing import NamedTuple

from custody.barrier.keyring import CannotUnwrap, Keyring, unwrap_keyring, wrap_keyring
from custody.barrier.meta import MetaRow, SealChange, change_of, read_meta
from custody.base.codec import decode, encode
from custody.base.errors import Unavailable
from custody.base.ids import Source
from custody.base.store import RawRows
from custody.crypto import aead
from custody.seals import recovery, shamir
from custody.seals.config import SealConfig
from custody.seals.seal import Seal
from custody.seals.wrapping import Purpose


@dataclass(frozen=True, slots=True)
class Held:
    """Root key, keyring, and the seal that wraps the root key. Shows nothing of them."""

    root_key: bytes
    keyring: Keyring
    seal: Seal

    def __repr__(self) -> str:
        return f"Held({self.keyring!r})"


class Replacement(NamedTuple):
    """Rows, and the keys that are valid once those are stored."""

    change: SealChange
    held: Held

    def __repr__(self) -> str:
        return f"Replacement({self.change!r})"


def stored(rows: RawRows, name: MetaRow) -> bytes:
    """A row of the seal. Raises Unavailable where it is missing."""
    value = read_meta(rows, name)
    if value is None:
        raise Unavailable(f"the store has no {name}")
    return value


def seal_config(rows: RawRows) -> SealConfig:
    """The stored configuration of the seal. Raises Unavailable, CorruptRecord."""
    return decode(SealConfig, stored(rows, MetaRow.SEAL_CONFIG))


def prove(rows: RawRows, key: bytes, held: Held) -> None:
    """Raises InvalidKey unless `key`, made by shares, opens the root key that is held."""
    if seal_config(rows).automatic:
        opened = recovery.unwrap_root_key(stored(rows, MetaRow.RECOVERY_ROOT_KEY), key)
    else:
        opened = shamir.unwrap_root_key(stored(rows, MetaRow.ROOT_KEY), key)
    if not hmac.compare_digest(opened, held.root_key):
        raise Unavailable("the stored root key is not the one in use")


def with_next_term(rows: RawRows, held: Held, now_ns: int, source: Source) -> Replacement:
    """The keyring with one more term. Raises Unavailable."""
    check_root(rows, held)
    keyring = held.keyring.rotated(now_ns, source)
    values = {MetaRow.KEYRING: wrap_keyring(keyring, held.root_key, source)}
    return Replacement(change_of(rows, values, keyring), replace(held, keyring=keyring))


async def with_new_root_key(rows: RawRows, held: Held, source: Source) -> Replacement:
    """Another root key below the same seal. Raises Unavailable."""
    return await _rooted(rows, held, {}, await _recovery_key(rows, held), source)


async def with_new_unseal_key(
    rows: RawRows, held: Held, key: bytes, config: SealConfig, source: Source
) -> Replacement:
    """Another unseal key, in the shares that `config` says, and another root key."""
    renewed = replace(held, seal=shamir.ShamirSeal(key, source))
    return await _rooted(rows, renewed, {MetaRow.SEAL_CONFIG: encode(config)}, None, source)


async def with_new_recovery_key(
    rows: RawRows, held: Held, key: bytes, config: SealConfig, source: Source
) -> Replacement:
    """Another recovery key, in the shares that `config` says. Raises Unavailable."""
    check_root(rows, held)
    values = {
        MetaRow.SEAL_CONFIG: encode(config),
        MetaRow.RECOVERY_ROOT_KEY: recovery.wrap_root_key(held.root_key, key, source),
        MetaRow.RECOVERY_KEY: await held.seal.wrap(key, Purpose.RECOVERY_KEY),
    }
    return Replacement(change_of(rows, values, held.keyring), held)


async def under_another_seal(
    rows: RawRows, held: Held, to: Seal | None, key: bytes, source: Source
) -> Replacement:
    """The root key (a new one) under the seal `to`; None: under Shamir's.

    `key` is what the share holders' shares make: the unseal key becomes the recovery key, and the
    recovery key the unseal key, so the shares stay as they are. The old seal is not asked for
    anything: it may be gone.
    """
    old = seal_config(rows)
    if to is None:
        values: dict[MetaRow, bytes | None] = {
            MetaRow.SEAL_CONFIG: encode(SealConfig(shares=old.shares, threshold=old.threshold)),
            MetaRow.RECOVERY_ROOT_KEY: None,
            MetaRow.RECOVERY_KEY: None,
        }
        moved = replace(held, seal=shamir.ShamirSeal(key, source))
        return await _rooted(rows, moved, values, None, source)
    config = SealConfig(
        kind=to.kind, identity=to.identity, shares=old.shares, threshold=old.threshold
    )
    values = {MetaRow.SEAL_CONFIG: encode(config)}
    return await _rooted(rows, replace(held, seal=to), values, key, source)


async def _recovery_key(rows: RawRows, held: Held) -> bytes | None:
    wrapped = read_meta(rows, MetaRow.RECOVERY_KEY)
    return None if wrapped is None else await held.seal.unwrap(wrapped, Purpose.RECOVERY_KEY)


async def _rooted(
    rows: RawRows,
    held: Held,
    values: dict[MetaRow, bytes | None],
    recovery_key: bytes | None,
    source: Source,
) -> Replacement:
    """`values`, and everything that wraps the root key or is wrapped by it, with a new one.

    The recovery key is wrapped anew, too, so that nothing is left under a former key of the seal.
    """
    check_root(rows, held)
    root_key = source.random(aead.KEY_SIZE)
    if recovery_key is not None:
        values |= {
            MetaRow.RECOVERY_ROOT_KEY: recovery.wrap_root_key(root_key, recovery_key, source),
            MetaRow.RECOVERY_KEY: await held.seal.wrap(recovery_key, Purpose.RECOVERY_KEY),
        }
    values |= {
        MetaRow.ROOT_KEY: await held.seal.wrap(root_key, Purpose.ROOT_KEY),
        MetaRow.KEYRING: wrap_keyring(held.keyring, root_key, source),
    }
    change = change_of(rows, values, held.keyring)
    return Replacement(change, replace(held, root_key=root_key))


def check_root(rows: RawRows, held: Held) -> None:
    """Raises Unavailable unless the stored keyring is the held one, under the held root key.

    Nothing may be wrapped by keys that are not those on disk: it would shut the store for good.
    """
    try:
        keyring = unwrap_keyring(stored(rows, MetaRow.KEYRING), held.root_key)
    except CannotUnwrap as error:
        raise Unavailable("the stored keys are others than those in use; unseal again") from error
    if keyring != held.keyring:
        raise Unavailable("the keyring was changed meanwhile; try again")
