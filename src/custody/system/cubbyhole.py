"""The built-in mount `cubbyhole/`: rows of one service token that no other token can reach.

A row lies under the hash of its token's accessor, which is never used again, so what is left of a
token that is gone is nobody's. The jobs that clear tokens take it away (`token.clearing`).
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from custody.base.codec import CorruptRecord
from custody.base.errors import BadRequest, NotFound, PermissionDenied
from custody.base.store import Table
from custody.core import wrap
from custody.core.confine import SystemRows, SystemTransaction
from custody.plugin.request import Reply, Request
from custody.plugin.route import MIB, Engine, Op, Route, reads, writes
from custody.plugin.shape import Keys
from custody.token.entry import SERVICE_TYPE, WRAPPING_POLICIES

MAX_PATH: Final = 400  # bytes
MAX_PAYLOAD: Final = 1 * MIB  # bytes of JSON
MAX_LIST: Final = 10_000  # names in one answer
_PAGE: Final = 256
_DEPRECATED: Final = (
    "Reading from 'cubbyhole/response' is deprecated. Please use sys/wrapping/unwrap to unwrap "
    "responses, as it provides additional security checks and other benefits."
)
_LAST: Final = b"\xff"  # above every byte of UTF-8
_payloads = msgspec.json.Decoder(dict[str, Any])


def read(request: Request, rows: SystemRows) -> Reply:
    """What the caller's token keeps at a path. Raises NotFound."""
    place, name = _place(request, rows), _name(request)
    found = rows.get(Table.CUBBYHOLE, place + name)
    if found is None:
        raise NotFound
    if name == wrap.RESPONSE and request.caller and request.caller.policies == WRAPPING_POLICIES:
        request.warn(_DEPRECATED)
    try:
        return Reply(data=_payloads.decode(found))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # not chained: the cause may quote the secret
        raise CorruptRecord("a row of a cubbyhole is no JSON") from None


def write(request: Request, txn: SystemTransaction) -> None:
    """Keep a value at a path, as long as the caller's token lives."""
    place, name = _place(request, txn), _encoded(request)
    if not name or name.endswith(b"/"):
        raise BadRequest("cannot write to a path ending in '/'")
    if not request.raw:
        raise BadRequest("missing data fields")
    payload = msgspec.json.encode(request.raw)
    if len(payload) > MAX_PAYLOAD:
        raise BadRequest(f"data is larger than {MAX_PAYLOAD} bytes")
    txn.put(Table.CUBBYHOLE, place + name, payload)


def delete(request: Request, txn: SystemTransaction) -> None:
    """Erase what the caller's token keeps at a path, if anything."""
    place, name = _place(request, txn), _encoded(request)
    if name:
        txn.delete(Table.CUBBYHOLE, place + name)


def list_names(request: Request, rows: SystemRows) -> Reply:
    """The names in a folder of the caller's token. Raises NotFound where there are none."""
    folder = _encoded(request).removesuffix(b"/")
    start = _place(request, rows) + (folder + b"/" if folder else b"")
    names: list[str] = []
    for name in _names(rows, start):
        if len(names) == MAX_LIST:
            raise BadRequest(f"more than {MAX_LIST} names: a cubbyhole has no pages to list them")
        names.append(name.decode())
    if not names:
        raise NotFound
    return Reply(data={"keys": names})


def exists(request: Request, rows: SystemRows) -> bool:
    """Whether a write to this path would change a row and not make one."""
    caller, path = request.caller, request.params["path"]
    if caller is None or caller.token_type != SERVICE_TYPE or len(path.encode()) > MAX_PATH:
        return False
    key = rows.accessor_hash(caller.accessor) + path.encode()
    return rows.get(Table.CUBBYHOLE, key) is not None


def _names(rows: SystemRows, start: bytes) -> Iterator[bytes]:
    """The names under `start`, each folder once, in order; a folder's rows are leapt over."""
    after = b""
    while page := rows.keys(Table.CUBBYHOLE, start, after, _PAGE):
        for key in page:
            name, slash, _ = key[len(start) :].partition(b"/")
            yield name + slash
            after = name + slash + _LAST if slash else name
            if slash:
                break


def _place(request: Request, rows: SystemRows) -> bytes:
    """Under which key the caller's rows begin. Raises BadRequest for a token that has none."""
    caller = request.caller
    if caller is None:
        raise PermissionDenied
    if caller.token_type != SERVICE_TYPE:
        raise BadRequest("cubbyhole operations are only supported by 'service' type tokens")
    return rows.accessor_hash(caller.accessor)


def _name(request: Request) -> bytes:
    name = _encoded(request)
    if not name:
        raise BadRequest("missing path")
    return name


def _encoded(request: Request) -> bytes:
    try:
        name = request.params["path"].encode()
    except UnicodeEncodeError:
        raise BadRequest("path is not valid UTF-8") from None
    if len(name) > MAX_PATH:
        raise BadRequest(f"path is longer than {MAX_PATH} bytes")
    return name


ENGINE: Final = Engine(
    kind="cubbyhole",
    help="Keeps what only the caller's own token can read, and no longer than that token lives.",
    system=True,
    routes=(
        Route(
            "{path...}",
            {
                Op.READ: reads(read, shows=dict[str, Any]),
                Op.LIST: reads(list_names, shows=Keys),
                Op.WRITE: writes(write, free=True),
                Op.DELETE: writes(delete),
            },
            takes={"path": "Where it is kept, up to 400 bytes; of a list, the folder."},
            help="Read, write, delete and list what the caller's token keeps.",
            exists=exists,
            clear_numbers=frozenset(),
        ),
    ),
)
