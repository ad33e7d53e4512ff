"""Handlers of `data/` and `subkeys/`.

Their docstrings are served as help, so they are not compiled; what they do is in `payloads`.
"""

from typing import Any

from custody.base.errors import BadRequest
from custody.engines.kv import directory
from custody.engines.kv.v2 import objects, payloads, records
from custody.engines.kv.v2.absent import no_root
from custody.engines.kv.v2.schema import State, Version
from custody.plugin.request import Reply, Request
from custody.plugin.storage import Storage


def secret_exists(request: Request, storage: Storage) -> bool:
    """Whether a write updates rather than creates. A path over the limits names nothing."""
    try:
        request.found = directory.find_object(storage, request.params["path"])
    except BadRequest:
        return False
    return request.found is not None


def prefetch(request: Request, storage: Storage) -> None:
    """Have the secret's metadata decoded before the transaction that adds to it."""
    if request.found is not None:
        records.prefetch_metadata(storage, request.found)


def read_data(request: Request, storage: Storage) -> Reply:
    """A version's payload and metadata. Raises NotFound."""
    return payloads.read(request, storage, "data")


def read_subkeys(request: Request, storage: Storage) -> Reply:
    """A version's structure, every value replaced by null. Raises NotFound."""
    reply = payloads.read(request, storage, "subkeys")
    if reply.data is None or reply.data["subkeys"] is None:
        return reply
    bare = _without_values(reply.data["subkeys"], request.body.depth)
    return Reply(data={**reply.data, "subkeys": bare})


def write_data(request: Request, storage: Storage) -> Reply:
    """Add a version. Raises BadRequest for no data, a compare-and-set that fails, and limits."""
    return payloads.write(request, storage)


def patch_data(request: Request, storage: Storage) -> Reply:
    """Add a version that is the current one merged with the body (RFC 7396).

    Raises BadRequest as `write_data`, NotFound where there is nothing to patch.
    """
    return payloads.patch(request, storage)


def delete_data(request: Request, storage: Storage) -> Reply | None:
    """Mark the current version deleted; silent where there is none."""
    if not request.params["path"]:
        return no_root(request)
    found = objects.load(storage, request.params["path"])
    if found is not None:
        objects.change_versions(
            storage, found, {found[1].current}, lambda version: deleted(version, request.now_ns)
        )
    return None


def deleted(version: Version, now_ns: int) -> Version:
    """The version marked deleted; one that is gone already stays as it is."""
    if version.gone(now_ns):
        return version
    return Version(version.created_ns, now_ns, State.DELETED)


def _without_values(data: dict[str, Any], depth: int, level: int = 1) -> dict[str, Any]:
    """The tree of keys down to `depth` levels (0: all), each leaf null."""
    deeper = depth == 0 or level < depth
    return {
        name: _without_values(value, depth, level + 1)
        if deeper and value and isinstance(value, dict)
        else None
        for name, value in data.items()
    }
