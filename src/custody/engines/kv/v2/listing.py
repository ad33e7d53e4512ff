"""Handlers that list and scan names. An answer is whole or refused, never silently short.

Where there are none, a list is not found and a scan is empty, as clients expect.
"""

from custody.base.errors import BadRequest, NotFound
from custody.engines.kv import directory
from custody.engines.kv.names import decode_name
from custody.engines.kv.v2 import objects
from custody.engines.kv.v2.metadata import show_metadata
from custody.plugin.request import Reply, Request
from custody.plugin.storage import Storage

MAX_LIST = 100_000  # names in one answer to a LIST: a single range read
MAX_PAGE = 10_000  # names in one answer to a SCAN, or with details
MAX_DETAILS = 100_000  # versions described in one answer


def list_names(request: Request, storage: Storage) -> Reply:
    """The names in a directory. Raises NotFound where there are none."""
    return Reply(data={"keys": _names(request, storage, directory.list_names, MAX_LIST)})


def scan_paths(request: Request, storage: Storage) -> Reply:
    """The paths of all secrets below a directory."""
    paths = _found(request, storage, directory.scan_paths, MAX_PAGE)
    return Reply(data={"keys": paths} if paths else {})


def list_details(request: Request, storage: Storage) -> Reply:
    """The names in a directory with each secret's metadata. Raises NotFound."""
    return _details(request, storage, _names(request, storage, directory.list_names, MAX_PAGE))


def scan_details(request: Request, storage: Storage) -> Reply:
    """The paths of all secrets below a directory with their metadata."""
    paths = _found(request, storage, directory.scan_paths, MAX_PAGE)
    return _details(request, storage, paths) if paths else Reply(data={})


def _names(request: Request, storage: Storage, read: directory.Find, most: int) -> list[str]:
    names = _found(request, storage, read, most)
    if not names:
        raise NotFound
    return names


def _found(request: Request, storage: Storage, read: directory.Find, most: int) -> list[str]:
    asked = request.body.limit
    if asked > most:
        raise BadRequest(f"limit must be at most {most}")
    within = directory.find_directory(storage, request.params["path"])
    if within is None:
        return []
    names = read(storage, within, request.body.after, asked if asked > 0 else most + 1)
    if len(names) > most:
        raise BadRequest(f"more than {most} names: ask for pages with limit and after")
    return [decode_name(name) for name in names]


def _details(request: Request, storage: Storage, names: list[str]) -> Reply:
    path = request.params["path"]
    base = f"{path.removesuffix('/')}/" if path else ""
    described: dict[str, dict[str, object]] = {}
    versions = 0
    for name in names:
        found = None if name.endswith("/") else objects.load(storage, base + name)
        versions += len(found[1].versions) if found else 0
        if versions > MAX_DETAILS:
            raise BadRequest(f"more than {MAX_DETAILS} versions: use a smaller limit")
        described[name] = show_metadata(found[1]) if found else {}
    return Reply(data={"keys": names, "key_info": described})
