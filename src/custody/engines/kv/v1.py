"""KV version 1: secrets under paths, each one object that a write replaces whole.

On disk, below the mount: entries of directories (`custody.engines.kv.entries`), as version 2 has
them, and `P | object id (16)`, the payload: a JSON object, so its first byte is `{`. What stands
here cannot change, only be added to.
"""

from typing import Any

import msgspec

from custody.base.codec import CorruptRecord
from custody.base.duration import parse_seconds
from custody.base.errors import BadRequest, NotFound
from custody.engines.kv import directory
from custody.engines.kv.entries import PLAIN_PAYLOAD
from custody.engines.kv.names import decode_name
from custody.plugin.request import Reply, Request
from custody.plugin.route import MIB, Engine, Op, Route, reads, writes
from custody.plugin.shape import Keys, Scanned
from custody.plugin.storage import Storage

MAX_PAYLOAD = 1 * MIB  # bytes of JSON
MAX_LIST = 100_000  # names in one answer: version 1 has no pages

_payloads = msgspec.json.Decoder(dict[str, Any])


def read(request: Request, storage: Storage) -> Reply:
    """The secret. Raises NotFound."""
    path = request.params["path"]
    object_id = directory.find_object(storage, path) if path else None
    if object_id is None:
        raise NotFound
    data = _payload(storage, object_id)
    return Reply(data=data, lease_duration=_lease(data, request.mount.default_lease_ttl))


def write(request: Request, storage: Storage) -> None:
    """Set the secret; what was there is replaced whole. Raises BadRequest."""
    path = request.params["path"]
    if not path or path.endswith("/"):
        raise BadRequest("cannot write to a path ending in '/'")
    if not request.raw:
        raise BadRequest("missing data fields")
    payload = msgspec.json.encode(request.raw)
    if len(payload) > MAX_PAYLOAD:
        raise BadRequest(f"data is larger than {MAX_PAYLOAD} bytes")
    object_id = directory.find_object(storage, path)
    if object_id is None:
        object_id = directory.create_object(storage, request.source, path)
    storage.put(PLAIN_PAYLOAD + object_id, payload)


def delete(request: Request, storage: Storage) -> None:
    """Erase the secret, if it is there."""
    path = request.params["path"]
    object_id = directory.find_object(storage, path) if path else None
    if object_id is not None:
        directory.remove_object(storage, path)
        storage.delete(PLAIN_PAYLOAD + object_id)


def list_names(request: Request, storage: Storage) -> Reply:
    """The names in a directory. Raises NotFound where there are none."""
    names = _names(directory.list_names, request, storage)
    if not names:
        raise NotFound
    return Reply(data={"keys": names})


def scan_paths(request: Request, storage: Storage) -> Reply:
    """The paths of all secrets below a directory."""
    paths = _names(directory.scan_paths, request, storage)
    return Reply(data={"keys": paths} if paths else {})


def exists(request: Request, storage: Storage) -> bool:
    """Whether a write to this path would change a secret and not make one."""
    path = request.params["path"]
    return bool(path) and directory.find_object(storage, path) is not None


def _names(find: directory.Find, request: Request, storage: Storage) -> list[str]:
    within = directory.find_directory(storage, request.params["path"])
    names = [] if within is None else find(storage, within, "", MAX_LIST + 1)
    if len(names) > MAX_LIST:
        raise BadRequest(f"more than {MAX_LIST} names: version 1 has no pages to list them in")
    return [decode_name(name) for name in names]


def _payload(storage: Storage, object_id: bytes) -> dict[str, Any]:
    """The object's payload, numbers exact. Raises CorruptRecord if it is missing or broken."""
    payload = storage.get(PLAIN_PAYLOAD + object_id)
    if payload is None:
        raise CorruptRecord(f"object {object_id.hex()} has no payload")
    try:
        return _payloads.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # not chained: the cause may quote the secret
        raise CorruptRecord(f"object {object_id.hex()} is no JSON") from None


def _lease(data: dict[str, Any], default: int) -> int:
    """For how many seconds a client may keep the secret: what its own `ttl` or `lease` says."""
    name = "ttl" if "ttl" in data else "lease"
    if name not in data:
        return default
    wanted = data[name]
    if wanted is None:
        return 0
    try:
        return max(0, parse_seconds(wanted))
    except BadRequest:
        return default


ENGINE = Engine(
    kind="kv-v1",
    options={"version": "1"},
    help="Keeps secrets under paths. A write replaces the whole secret; there is no history.",
    routes=(
        Route(
            "{path...}",
            {
                Op.READ: reads(read, shows=dict[str, Any]),
                Op.LIST: reads(list_names, shows=Keys),
                Op.SCAN: reads(scan_paths, shows=Scanned),
                Op.WRITE: writes(write, free=True),
                Op.DELETE: writes(delete),
            },
            takes={"path": "The secret's path; of a list or scan, the folder."},
            help="Read, write, delete and list secrets.",
            exists=exists,
            clear_numbers=frozenset(),
        ),
    ),
)
