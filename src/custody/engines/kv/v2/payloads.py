"""Reading a version's payload, and adding a version."""

from typing import Any

from custody.base.errors import BadRequest, NotFound
from custody.engines.kv import directory
from custody.engines.kv.v2 import objects, records
from custody.engines.kv.v2.absent import no_root, no_secret
from custody.engines.kv.v2.merge import merge_patch
from custody.engines.kv.v2.schema import Config, Metadata
from custody.plugin.request import Reply, Request
from custody.plugin.storage import Storage


def read(request: Request, storage: Storage, name: str) -> Reply:
    """The answer that shows a version's payload under `name`. Raises NotFound."""
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


def write(request: Request, storage: Storage) -> Reply:
    """Add a version. Raises BadRequest for no data, a compare-and-set that fails, and limits."""
    path = request.params["path"]
    if not path:
        return no_root(request)
    if request.body.data is None:
        raise BadRequest("no data provided")
    object_id = request.found or directory.find_object(storage, path)
    if object_id is not None:
        metadata = records.read_metadata(storage, object_id)
    else:
        metadata = Metadata(created_ns=request.now_ns, updated_ns=request.now_ns)
    config = records.read_config(storage)
    _check_cas(request.body.options, config, metadata)
    if object_id is None:
        object_id = directory.create_object(storage, request.source, path)
    return _add(request, storage, config, (object_id, metadata), request.body.data)


def patch(request: Request, storage: Storage) -> Reply:
    """Add a version that is the current one merged with the body (RFC 7396).

    Raises BadRequest as `write`, NotFound where there is nothing to patch.
    """
    if not request.params["path"]:
        return no_root(request)
    if request.body.data is None:
        raise BadRequest("no data provided")
    found = objects.load(storage, request.params["path"])
    if found is None:
        raise NotFound
    object_id, metadata = found
    config = records.read_config(storage)
    _check_cas(request.body.options, config, metadata)
    version = metadata.find(metadata.current)
    if version is None:
        raise NotFound
    if version.gone(request.now_ns):
        return Reply(status=404, data=objects.show_version(metadata, metadata.current, version))
    before = records.read_payload(storage, object_id, metadata.current)
    return _add(request, storage, config, found, merge_patch(before, request.body.data))


def _add(
    request: Request,
    storage: Storage,
    config: Config,
    found: tuple[bytes, Metadata],
    data: dict[str, Any],
) -> Reply:
    payload = records.encode_payload(data)
    kept = objects.add_version(storage, config, found, payload, request.now_ns)
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
