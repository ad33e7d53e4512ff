"""`sys/config/ui/headers`, `sys/config/auditing/request-headers`: headers that operators name."""

import re
from typing import Annotated, Final, TypedDict

from custody.audit import table as audit_table
from custody.base.codec import decode, encode
from custody.base.errors import BadRequest, NotFound
from custody.base.record import Record
from custody.base.store import Table
from custody.core.confine import SystemRows, SystemTransaction
from custody.plugin.fields import Fields, Strings
from custody.plugin.request import Reply, Request
from custody.plugin.route import Access, Op, Route, reads, writes
from custody.plugin.shape import NULL, Keys

_SECRET: Final = frozenset({"x-vault-token", "authorization", "cookie"})  # never in clear
_UI: Final = b"ui-header|"
_MAX_UI: Final = 1000
_MAX_AUDITED: Final = 100
_OK: Final = 200
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")  # RFC 9110, section 5.1
_VALUE: Final = re.compile(r"[\x20-\x7e\t]{0,4096}")


class _Header(Record, frozen=True, kw_only=True):
    name: str
    values: tuple[str, ...]


class ValuesFields(Fields, frozen=True, kw_only=True):
    """The values of a header."""

    values: Annotated[Strings, "The header's values."] = Strings()


class ReadFields(Fields, frozen=True, kw_only=True):
    """Whether all values are wanted."""

    multivalue: Annotated[bool, "Whether all values are answered and not the first alone."] = False


class AuditedFields(Fields, frozen=True, kw_only=True):
    """Whether the header's values are hashed in records."""

    hmac: Annotated[bool, "Whether records show the header's values hashed."] = False


class Value(TypedDict):
    """The first value of a header."""

    value: str


class Values(TypedDict):
    """All of them."""

    values: list[str]


class Audited(TypedDict):
    """Whether a header's values are hashed."""

    hmac: bool


class AllAudited(TypedDict):
    """The headers that records show."""

    headers: dict[str, Audited]


def list_ui(_request: Request, rows: SystemRows) -> Reply:
    """The names of the user interface's headers."""
    found = rows.scan(Table.SETTING, _UI, limit=_MAX_UI)
    if not found:
        raise NotFound
    return Reply(data={"keys": [decode(_Header, value).name for _, value in found]})


def read_ui(request: Request, rows: SystemRows) -> Reply:
    """A header of the user interface."""
    data = rows.get(Table.SETTING, _ui_key(request))
    if data is None:
        raise NotFound
    values = decode(_Header, data).values
    fields: ReadFields = request.body
    return Reply(data={"values": values} if fields.multivalue else {"value": values[0]})


def write_ui(request: Request, txn: SystemTransaction) -> Reply:
    """Set a header of the user interface."""
    fields: ValuesFields = request.body
    name = request.params["header"]
    if name.lower().startswith("x-vault-"):
        raise BadRequest("X-Vault headers cannot be set")
    if not fields.values:
        raise BadRequest("header and values must be specified")
    if not _NAME.fullmatch(name) or not all(_VALUE.fullmatch(value) for value in fields.values):
        raise BadRequest("header or values contain characters that no header may have")
    key = _ui_key(request)
    known = txn.keys(Table.SETTING, _UI, limit=_MAX_UI)
    if len(known) >= _MAX_UI and key not in known:
        raise BadRequest(f"more than {_MAX_UI} headers are not supported")
    txn.put(Table.SETTING, key, encode(_Header(name=name, values=tuple(fields.values))))
    return Reply(status=_OK)


def delete_ui(request: Request, txn: SystemTransaction) -> None:
    """Remove a header of the user interface."""
    txn.delete(Table.SETTING, _ui_key(request))


def list_audited(_request: Request, rows: SystemRows) -> Reply:
    """The request headers that audit records show."""
    headers = audit_table.read(rows.rows).headers
    return Reply(data={"headers": {name: {"hmac": hashed} for name, hashed in headers.items()}})


def read_audited(request: Request, rows: SystemRows) -> Reply:
    """Whether a request header is hashed in audit records."""
    name = request.params["header"]
    headers = audit_table.read(rows.rows).headers
    if name.lower() not in headers:
        raise BadRequest("Could not find header in config")
    return Reply(data={name: {"hmac": headers[name.lower()]}})


def write_audited(request: Request, txn: SystemTransaction) -> None:
    """Show a request header in audit records from now on."""
    fields: AuditedFields = request.body
    name = request.params["header"].lower()
    if not _NAME.fullmatch(name):
        raise BadRequest("header contains characters that no header may have")
    if name in _SECRET and not fields.hmac:
        raise BadRequest(f"{name} holds what is secret: it is shown with hmac=true only")
    headers = audit_table.read(txn.txn).headers
    if name not in headers and len(headers) >= _MAX_AUDITED:
        raise BadRequest(f"more than {_MAX_AUDITED} headers are not supported")
    audit_table.set_headers(txn.txn, {**headers, name: fields.hmac})


def delete_audited(request: Request, txn: SystemTransaction) -> None:
    """Show a request header no more."""
    name = request.params["header"].lower()
    headers = audit_table.read(txn.txn).headers
    if name in headers:
        kept = {known: hashed for known, hashed in headers.items() if known != name}
        audit_table.set_headers(txn.txn, kept)


def _ui_key(request: Request) -> bytes:
    return _UI + request.params["header"].lower().encode()


ROUTES: Final = (
    Route(
        "config/ui/headers",
        {Op.LIST: reads(list_ui, shows=Keys)},
        help="The headers that answers of the user interface carry.",
    ),
    Route(
        "config/ui/headers/{header:any}",
        {
            Op.READ: reads(read_ui, ReadFields, shows=Value | Values),
            Op.WRITE: writes(write_ui, ValuesFields, shows=NULL),
            Op.DELETE: writes(delete_ui),
        },
        access=Access.SUDO,
        takes={"header": "The header's name."},
        help="A header that answers of the user interface carry.",
    ),
    Route(
        "config/auditing/request-headers",
        {Op.READ: reads(list_audited, shows=AllAudited)},
        access=Access.SUDO,
        top=True,
        help="The request headers that audit records show.",
    ),
    Route(
        "config/auditing/request-headers/{header:any}",
        {
            Op.READ: reads(read_audited, shows=dict[str, Audited]),
            Op.WRITE: writes(write_audited, AuditedFields),
            Op.DELETE: writes(delete_audited),
        },
        access=Access.SUDO,
        top=True,
        takes={"header": "The header's name."},
        help="Whether audit records show a request header.",
    ),
)
