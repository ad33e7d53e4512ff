"""The rows that a sealed node needs: seal configuration, wrapped root key, wrapped keyring.

They are readable without a key, so each ends in an HMAC that whoever holds the keyring checks: the
scrub does, and so does the custodian as soon as it is unsealed.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from custody.barrier.finding import Finding
from custody.barrier.keyring import Keyring
from custody.base.errors import Unavailable
from custody.base.store import RawRows, RawTransaction, Table, Tampered
from custody.crypto import mac
from custody.crypto.framing import frame

_PREFIX = bytes([Table.META])


class MetaRow(StrEnum):
    """The names on disk. Never rename."""

    SEAL_CONFIG = "seal/config"
    ROOT_KEY = "seal/root-key"
    KEYRING = "seal/keyring"
    RECOVERY_ROOT_KEY = "seal/recovery-root-key"  # the root key under the recovery key
    RECOVERY_KEY = "seal/recovery-key"  # the recovery key under the seal


class SealChanged(Unavailable):
    """Rows of the seal are not those that a change of them was made for."""

    def __init__(self) -> None:
        super().__init__("the seal was changed meanwhile; try again")


class SealChange(NamedTuple):
    """A change of these rows, all or nothing: raw keys, each with its row or None for none.

    What must be there before is compared to the last byte, so a change is made once or not at all.
    """

    before: list[tuple[bytes, bytes | None]]
    after: list[tuple[bytes, bytes | None]]

    def made_in(self, rows: RawRows) -> bool:
        """Whether `rows` are those after the change."""
        return all(rows.get(place) == row for place, row in self.after)

    def apply(self, raw: RawTransaction) -> None:
        """Make the change. Raises SealChanged."""
        if any(raw.get(place) != row for place, row in self.before):
            raise SealChanged
        for place, row in self.after:
            if row is None:
                raw.delete(place)
            else:
                raw.put(place, row)

    def __repr__(self) -> str:
        return f"SealChange(of {len(self.after)} rows)"


def read_meta(rows: RawRows, name: MetaRow) -> bytes | None:
    """The row's value, not authenticated, or None. Raises Tampered if it is too short to be one."""
    row = rows.get(meta_key(name))
    if row is None:
        return None
    if len(row) < mac.SIZE:
        raise Tampered("META", name.encode(), "too short")
    return row[: -mac.SIZE]


def write_meta(raw: RawTransaction, name: MetaRow, value: bytes, keyring: Keyring) -> None:
    """Set the row, authenticated by the keyring that it is about."""
    raw.put(meta_key(name), _authenticated(name, value, keyring))


def change_of(
    rows: RawRows, values: Mapping[MetaRow, bytes | None], keyring: Keyring
) -> SealChange:
    """The change from what `rows` hold to `values`; None: such a row shall not be."""
    after = {
        meta_key(name): None if value is None else _authenticated(name, value, keyring)
        for name, value in values.items()
    }
    return SealChange([(place, rows.get(place)) for place in after], list(after.items()))


def verify_meta(rows: RawRows, keyring: Keyring) -> list[Finding]:
    """What is wrong with these rows; a row that is not there is no finding here."""
    findings = []
    for name in MetaRow:
        try:
            value = read_meta(rows, name)
            if value is not None:
                tag = (rows.get(meta_key(name)) or b"")[-mac.SIZE :]
                mac.verify(_key(keyring), frame(name.encode(), value), tag)
        except Tampered as error:
            findings.append(Finding.of(error))
        except mac.WrongMAC:
            findings.append(Finding("META", name.encode(), "authentication failed"))
    return findings


def meta_key(name: MetaRow) -> bytes:
    """The raw key of the row."""
    return _PREFIX + name.encode()


def _authenticated(name: MetaRow, value: bytes, keyring: Keyring) -> bytes:
    return value + mac.mac(_key(keyring), frame(name.encode(), value))


def _key(keyring: Keyring) -> bytes:
    return keyring.derive("meta row")
