"""Owns the stored table of audit devices: one row, read with every request, changed as a whole."""

from collections.abc import Mapping
from typing import ClassVar, Final

import msgspec

from custody.audit.kinds import Kind
from custody.base.codec import decode, encode
from custody.base.errors import BadRequest
from custody.base.record import Record
from custody.base.store import Rows, Table, Transaction

KEY: Final = b"devices"


class DeviceConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A device as it was enabled. `declared` says that the configuration file did it."""

    type: str
    key: bytes  # 32 bytes under which this device hashes
    description: str = ""
    options: dict[str, str] = {}
    local: bool = False
    declared: bool = False
    created_ns: int = 0

    def __repr__(self) -> str:
        return f"DeviceConfig({self.type!r})"


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """A device as the configuration file names it."""

    type: str
    description: str = ""
    options: dict[str, str] = {}
    local: bool = False


class AuditTable(Record, frozen=True, kw_only=True):
    """Every device by its path, which ends in a slash. `headers` are the request headers that
    records show, in lower case, and whether their values are hashed."""

    SCHEMA: ClassVar[int] = 1
    devices: dict[str, DeviceConfig] = msgspec.field(default_factory=dict)
    headers: dict[str, bool] = msgspec.field(default_factory=dict)


EMPTY: Final = AuditTable()


def normal(path: str) -> str:
    """`path` without slashes before it and with one after it. Raises BadRequest if empty."""
    bare = path.strip("/")
    if not bare:
        raise BadRequest("missing path")
    return bare + "/"


def read(rows: Rows) -> AuditTable:
    """The table; the same object as long as the row is the same. EMPTY itself if it is missing."""
    return rows.memo(Table.AUDIT, KEY, _decode) or EMPTY


def seed(txn: Transaction) -> None:
    """Write the empty table of a new store: from then on a missing row is a fault, not a choice."""
    txn.put(Table.AUDIT, KEY, encode(EMPTY))


def check(kinds: Mapping[str, Kind], config: DeviceConfig) -> None:
    """Raise BadRequest unless a device can be made of `config`."""
    kind = kinds.get(config.type)
    if kind is None:
        raise BadRequest(f'unknown backend type: "{config.type}"')
    kind.check(config.options)


def enable(txn: Transaction, path: str, config: DeviceConfig) -> AuditTable:
    """Add `config` under `path`. Raises BadRequest if the path, or one over or under it, is used.

    The caller has checked it (`check`) and probed the device (`Broker.probe`).
    """
    table = read(txn)
    path = normal(path)
    if any(path.startswith(used) or used.startswith(path) for used in table.devices):
        raise BadRequest("path already in use")
    return _write(txn, {**table.devices, path: config})


def disable(txn: Transaction, path: str) -> bool:
    """Remove the device at `path`; says whether it was there.

    Raises BadRequest for a device that the configuration file declares.
    """
    table = read(txn)
    path = normal(path)
    config = table.devices.get(path)
    if config is None:
        return False
    if config.declared:
        raise BadRequest("cannot disable an audit device that the configuration file declares")
    _write(txn, {used: kept for used, kept in table.devices.items() if used != path})
    return True


def sync_declared(
    txn: Transaction, declared: Mapping[str, Declared], keys: Mapping[str, bytes], now_ns: int
) -> AuditTable:
    """Make the table agree with the configuration file, which has the last word on its own paths.

    A device whose declaration changed keeps its key; one no longer declared goes. `keys` holds a
    new key for each path of `declared`, used only where the path is new. A missing row stays
    missing: written anew it would hide which other devices there were.
    """
    table = read(txn)
    if table is EMPTY:
        return table
    devices = {path: kept for path, kept in table.devices.items() if not kept.declared}
    for name, wish in declared.items():
        path = normal(name)
        known = table.devices.get(path)
        devices[path] = DeviceConfig(
            type=wish.type,
            key=keys[name] if known is None else known.key,
            description=wish.description,
            options=wish.options,
            local=wish.local,
            declared=True,
            created_ns=now_ns if known is None else known.created_ns,
        )
    if devices == table.devices:
        return table
    return _write(txn, devices)


def set_headers(txn: Transaction, headers: dict[str, bool]) -> None:
    """Show these request headers in records, and no others."""
    txn.put(Table.AUDIT, KEY, encode(msgspec.structs.replace(read(txn), headers=headers)))


def _decode(data: bytes) -> AuditTable:
    return decode(AuditTable, data)


def _write(txn: Transaction, devices: dict[str, DeviceConfig]) -> AuditTable:
    table = msgspec.structs.replace(read(txn), devices=devices)
    txn.put(Table.AUDIT, KEY, encode(table))
    return table
