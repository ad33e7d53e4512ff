"""`sys/audit`: devices, and what a value looks like in their records."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, TypedDict

from custody.audit import table as audit_table
from custody.audit.file import check_alone, check_outside
from custody.audit.kinds import KINDS
from custody.audit.table import DeviceConfig
from custody.base.errors import BadRequest
from custody.base.store import StaleDecision, Transaction
from custody.core.act import Act
from custody.core.confine import SystemRows, SystemTransaction
from custody.plugin.fields import Fields
from custody.plugin.request import Reply, Request
from custody.plugin.route import Access, Op, Route, acts, reads, writes

_KEY_SIZE: Final = 32


class EnableFields(Fields, frozen=True, kw_only=True):
    """A device to enable."""

    type: Annotated[str, "The kind of device: `file`."] = ""
    description: Annotated[str, "What the device is for."] = ""
    options: Annotated[Mapping[str, Any], "Its options, such as `file_path`."] = MappingProxyType(
        {}
    )
    local: Annotated[bool, "Kept and shown; there is one cluster."] = False


class HashFields(Fields, frozen=True, kw_only=True):
    """A value to hash as a device does."""

    input: Annotated[str | None, "The value, as text."] = None


class Device(TypedDict):
    """An enabled device."""

    path: str
    type: str
    description: str
    options: dict[str, str]
    local: bool


class Hashed(TypedDict):
    """A value as records show it."""

    hash: str


def list_devices(_request: Request, rows: SystemRows) -> Reply:
    """Every enabled device; no keys."""
    table = audit_table.read(rows.rows)
    return Reply(
        data={
            path: {
                "path": path,
                "type": config.type,
                "description": config.description,
                "options": config.options,
                "local": config.local,
            }
            for path, config in table.devices.items()
        }
    )


async def enable(request: Request, act: Act) -> None:
    """Enable a device once it has taken a test record."""
    fields: EnableFields = request.body
    path = audit_table.normal(request.params["path"])
    config = DeviceConfig(
        type=fields.type,
        key=request.source.random(_KEY_SIZE),
        description=fields.description,
        options={name: _text(value) for name, value in fields.options.items()},
        local=fields.local,
        created_ns=request.now_ns,
    )
    audit_table.check(KINDS, config)
    if act.parts.settings.data_path:
        check_outside(config.options, act.parts.settings.data_path)
    with act.snapshot() as rows:
        devices = audit_table.read(rows).devices
    if path in devices:
        raise BadRequest("path already in use")
    check_alone(config.options, {other: known.options for other, known in devices.items()})
    await act.parts.broker.probe(path, config)

    def add(txn: Transaction) -> None:
        if audit_table.read(txn).devices != devices:
            raise StaleDecision("the audit devices have changed meanwhile")
        audit_table.enable(txn, path, config)

    await act.commit(add)


def disable(request: Request, txn: SystemTransaction) -> None:
    """Disable a device."""
    audit_table.disable(txn.txn, request.params["path"])


async def hash_input(request: Request, act: Act) -> Reply:
    """What a value looks like in a device's records."""
    fields: HashFields = request.body
    if fields.input is None:
        raise BadRequest("the 'input' parameter is empty")
    path = audit_table.normal(request.params["path"])
    return Reply(data={"hash": act.parts.broker.hash(path, fields.input)})


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


ROUTES: Final = (
    Route(
        "audit",
        {Op.READ: reads(list_devices, shows=dict[str, Device])},
        access=Access.SUDO, top=True,
        help="Every audit device.",
    ),
    Route(
        "audit/{path...}",
        {Op.WRITE: acts(enable, EnableFields), Op.DELETE: writes(disable)},
        access=Access.SUDO,
        takes={"path": "The device's path."},
        help="Enable or disable an audit device.",
    ),
    Route(
        "audit-hash/{path...}",
        {Op.WRITE: acts(hash_input, HashFields, shows=Hashed)},
        top=True,
        takes={"path": "The device's path."},
        help="What a value looks like in a device's records.",
    ),
)  # fmt: skip
