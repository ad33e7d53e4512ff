"""Handlers of `data/` and `subkeys/`: the payloads."""

from typing import Any

from custody.base.errors import BadRequest, NotFound
from custody.engines.kv import directory
from custody.engines.kv.v2 import objects, records
from custody.engines.kv.v2.absent import no_root, no_secret
from custody.engines.kv.v2.merge import merge_patch
from custody.engines.kv.v2.schema import Config, Metadata, State, Version
from custody.plugin.request import Reply, Request
from custody.plugin.storage import Storage


def secret_exists(request: Request, storage: Storage) -> bool:
    """Whether a write updates rather than creates. A path over the limits names nothing."""
    try:
        return directory.find_object(storage, request.params["path"]) is not None
    except BadRequest:
        return False


def read_data(request: Request, storage: Storage) -> Reply:
    """A version's payload and metadata. Raises NotFound."""
    return _read(request, storage, "data")


def read_subkeys(request: Request, storage: Storage) -> Reply:
    """A version's structure, every value replaced by null. Raises NotFound."""
    reply = _read(request, storage, "subkeys")
    if reply.data is None or reply.data["subkeys"] is None:
        return reply
    bare = _without_values(reply.data["subkeys"], request.body.depth)
    return Reply(data={**reply.data, "subkeys": bare})


def write_data(request: Request, storage: Storage) -> Reply:
    """Add a version. Raises BadRequest for no data, a compare-and-set that fails, and limits."""
    path = request.params["path"]
    if not path:
        return no_root(request)
    if request.body.data is None:
        raise BadRequest("no data provided")
    found = objects.load(storage, path)
    object_id, metadata = found or (
        None,
        Metadata(created_ns=request.now_ns, updated_ns=request.now_ns),
    )
    _check_cas(request.body.options, records.read_config(storage), metadata)
    if object_id is None:
        object_id = directory.create_object(storage, request.source, path)
    return _add(request, storage, (object_id, metadata), request.body.data)


def patch_data(request: Request, storage: Storage) -> Reply:
    """Add a version that is the current one merged with the body (RFC 7396).

    Raises BadRequest as `write_data`, NotFound where there is nothing to patch.
    """
    if not request.params["path"]:
        return no_root(request)
    if request.body.data is None:
        raise BadRequest("no data provided")
    found = objects.load(storage, request.params["path"])
    if found is None:
        raise NotFound
    object_id, metadata = found
    _check_cas(request.body.options, records.read_config(storage), metadata)
    version = metadata.find(metadata.current)
    if version is None:
        raise NotFound
    if version.gone(request.now_ns):
        return Reply(status=404, data=objects.show_version(metadata, metadata.current, version))
    before = records.read_payload(storage, object_id, metadata.current)
    return _add(request, storage, found, merge_patch(before, request.body.data))


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


def _read(request: Request, storage: Storage, name: str) -> Reply:
    found = objects.load(storage, request.params["path"])
    if found is None:
        return no_secret(request)
    object_id, metadata = found
    number = request.body.version if request.body.version > 0 else metadata.current
    version = metadata.find(number)
    if version is None:
        raise NotFound
    shown: dict[str, Any] = {
        name: None,
        "metadata": objects.show_version(metadata, number, version),
    }
    if version.gone(request.now_ns):
        return Reply(status=404, data=shown)
    shown[name] = records.read_payload(storage, object_id, number)
    return Reply(data=shown)


def _add(
    request: Request, storage: Storage, found: tuple[bytes, Metadata], data: dict[str, Any]
) -> Reply:
    object_id, metadata = found
    payload = records.encode_payload(data)
    kept = objects.add_version(storage, object_id, metadata, payload, request.now_ns)
    return Reply(data=objects.show_version(kept, kept.current, kept.versions[-1]))


def _check_cas(options: dict[str, Any] | None, config: Config, metadata: Metadata) -> None:
    """Raises BadRequest unless the writer expects the version that is current."""
    if options is None or "cas" not in options:
        if config.cas_required or metadata.cas_required:
            raise BadRequest("check-and-set parameter required for this call")
        return
    if _whole_number(options["cas"]) != metadata.current:
        raise BadRequest("check-and-set parameter did not match the current version")


def _whole_number(value: object) -> int:
    try:
        if isinstance(value, int | str) or (isinstance(value, float) and value.is_integer()):
            return int(value)
    except ValueError:
        pass
    raise BadRequest("error parsing check-and-set parameter")


def _without_values(data: dict[str, Any], depth: int, level: int = 1) -> dict[str, Any]:
    """The tree of keys down to `depth` levels (0: all), each leaf null."""
    deeper = depth == 0 or level < depth
    return {
        name: _without_values(value, depth, level + 1)
        if deeper and value and isinstance(value, dict)
        else None
        for name, value in data.items()
    }
