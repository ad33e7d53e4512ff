"""The rows that a sealed node needs: seal configuration, wrapped root key, wrapped keyring.

They are readable without a key, so each ends in an HMAC that whoever holds the keyring checks: the
scrub does, and so does the custodian as soon as it is unsealed.
"""

from enum import StrEnum

from custody.barrier.finding import Finding
from custody.barrier.keyring import Keyring, wrapped_version
from custody.base.store import RawRows, RawTransaction, StaleDecision, Table, Tampered
from custody.crypto import mac
from custody.crypto.framing import frame

_PREFIX = bytes([Table.META])


class MetaRow(StrEnum):
    """The names on disk. Never rename."""

    SEAL_CONFIG = "seal/config"
    ROOT_KEY = "seal/root-key"
    KEYRING = "seal/keyring"


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
    raw.put(meta_key(name), value + mac.mac(_key(keyring), frame(name.encode(), value)))


def swap_keyring(raw: RawTransaction, expected_version: int, blob: bytes, keyring: Keyring) -> None:
    """Replace the wrapped keyring by `blob` if the one on disk has the expected version.

    Raises StaleDecision if another came first.
    """
    current = read_meta(raw, MetaRow.KEYRING)
    if current is None or wrapped_version(current) != expected_version:
        raise StaleDecision("the keyring was replaced meanwhile")
    write_meta(raw, MetaRow.KEYRING, blob, keyring)


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


def _key(keyring: Keyring) -> bytes:
    return keyring.derive("meta row")
