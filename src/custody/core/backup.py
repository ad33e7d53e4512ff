"""The kept copies of PGP-encrypted shares, for holders who lost what a rekey gave them."""

from collections.abc import Mapping, Sequence
from typing import Final

from custody.base.codec import decode, encode
from custody.base.record import Record
from custody.base.store import Rows, Table, Transaction
from custody.core.ceremony import Target

_PLACES: Final = {Target.BARRIER: b"unseal-keys-backup", Target.RECOVERY: b"recovery-keys-backup"}


class Backup(Record, frozen=True, kw_only=True):
    """The shares of one rekey, by their holder's fingerprint: OpenPGP messages in hex."""

    nonce: str
    keys: Mapping[str, Sequence[str]]


def read(rows: Rows, target: Target) -> Backup | None:
    """The copy of the last rekey that asked for one."""
    data = rows.get(Table.SETTING, _PLACES[target])
    return None if data is None else decode(Backup, data)


def keep(txn: Transaction, target: Target, backup: Backup) -> None:
    """Keep a copy in place of the one before."""
    txn.put(Table.SETTING, _PLACES[target], encode(backup))


def remove(txn: Transaction, target: Target) -> None:
    """Keep none."""
    txn.delete(Table.SETTING, _PLACES[target])
