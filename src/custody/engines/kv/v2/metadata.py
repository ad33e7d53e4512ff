"""Handlers of `metadata/` for one secret: its settings, its history, and its end."""

from copy import copy
from typing import Annotated, Any

from msgspec.structs import replace

from custody.base.duration import go_string
from custody.base.errors import BadRequest, NotFound
from custody.engines.kv import directory
from custody.engines.kv.v2 import objects, records
from custody.engines.kv.v2.absent import no_root, no_secret
from custody.engines.kv.v2.config import CASFields, check_max_versions
from custody.engines.kv.v2.custom import read_custom
from custody.engines.kv.v2.merge import merge_patch
from custody.engines.kv.v2.records import SECOND
from custody.engines.kv.v2.schema import Config, Metadata, State
from custody.plugin.fields import Duration
from custody.plugin.request import Reply, Request
from custody.plugin.storage import Storage

_SETTINGS = {  # name in the API → (field of the record, value that means: not set)
    "max_versions": ("max_versions", 0),
    "cas_required": ("cas_required", False),
    "metadata_cas_required": ("metadata_cas_required", False),
    "delete_version_after": ("delete_version_after", 0),
    "custom_metadata": ("custom", {}),
}


class MetadataBody(CASFields, frozen=True, kw_only=True):
    """The settings to change; `metadata_cas` is the metadata version that the writer expects."""

    max_versions: Annotated[
        int | None, "How many versions are kept, up to 1024; 0: as the mount says."
    ] = None
    delete_version_after: Annotated[
        Duration | None, "After how many seconds versions are deleted; 0: as the mount says."
    ] = None
    custom_metadata: Annotated[
        dict[str, Any] | None,
        "Texts by name that are shown beside the secret; they take the place of those before.",
    ] = None
    metadata_cas: Annotated[
        int | None, "The version of the metadata that must be the present one; absent: any."
    ] = None


def read_metadata(request: Request, storage: Storage) -> Reply:
    """The secret's settings and the states of its versions. Raises NotFound."""
    found = objects.load(storage, request.params["path"])
    return no_secret(request) if found is None else Reply(data=show_metadata(found[1]))


def write_metadata(request: Request, storage: Storage) -> Reply | None:
    """Change the settings that the body names, making the secret where it is not there.

    Raises BadRequest for a failed compare-and-set and for limits.
    """
    path = request.params["path"]
    if not path:
        return no_root(request)
    changes = _changes(request.body)
    if not changes:
        return None
    if "custom" in changes:
        changes["custom"] = read_custom(changes["custom"])
    config = records.read_config(storage)
    found = objects.load(storage, path)
    if found is None:
        _check_cas(request.body, config, None)
        object_id = directory.create_object(storage, request.source, path)
        metadata = Metadata(created_ns=request.now_ns, updated_ns=request.now_ns)
    else:
        object_id, metadata = found
        _check_cas(request.body, config, metadata)
    return _change(request, storage, (object_id, metadata), changes)


def patch_metadata(request: Request, storage: Storage) -> Reply | None:
    """As a write, but of an existing secret: null unsets, custom metadata is merged.

    Raises NotFound beside what a write raises.
    """
    path = request.params["path"]
    if not path:
        return no_root(request)
    changes = _changes(request.body)
    for name, (field, unset) in _SETTINGS.items():
        if name in request.raw and request.raw[name] is None:
            changes[field] = copy(unset)  # a secret's own: what is stored is remembered
    if not changes:
        return None
    found = objects.load(storage, path)
    if found is None:
        raise NotFound
    _check_cas(request.body, records.read_config(storage), found[1])
    if changes.get("custom"):
        changes["custom"] = read_custom(merge_patch(found[1].custom, changes["custom"]))
    return _change(request, storage, found, changes)


def delete_metadata(request: Request, storage: Storage) -> Reply | None:
    """Erase the secret with all its versions; silent where there is none."""
    path = request.params["path"]
    if not path:
        return no_root(request)
    found = objects.load(storage, path)
    if found is not None:
        objects.erase(storage, path, found)
    return None


def show_metadata(metadata: Metadata) -> dict[str, object]:
    """A secret's metadata as the API shows it."""
    return {
        "cas_required": metadata.cas_required,
        "created_time": objects.show_time(metadata.created_ns),
        "current_metadata_version": metadata.metadata_version,
        "current_version": metadata.current,
        "custom_metadata": metadata.custom or None,
        "delete_version_after": go_string(metadata.delete_version_after * SECOND),
        "max_versions": metadata.max_versions,
        "metadata_cas_required": metadata.metadata_cas_required,
        "oldest_version": metadata.oldest,
        "updated_time": objects.show_time(metadata.updated_ns),
        "versions": {
            str(number): {
                "created_time": objects.show_time(version.created_ns),
                "deletion_time": objects.show_time(version.deletion_ns),
                "destroyed": version.state is State.DESTROYED,
            }
            for number, version in zip(metadata.numbers, metadata.versions, strict=True)
        },
    }


def _changes(body: MetadataBody) -> dict[str, Any]:
    """The fields of the record that the body sets. Raises BadRequest for limits."""
    if body.max_versions is not None:
        check_max_versions(body.max_versions)
    if body.delete_version_after is not None and body.delete_version_after < 0:
        raise BadRequest(
            'Field validation failed: error converting input for field "delete_version_after": '
            f"cannot provide negative value '{body.delete_version_after}'"
        )
    return {
        field: value
        for name, (field, _) in _SETTINGS.items()
        if (value := getattr(body, name)) is not None
    }


def _check_cas(body: MetadataBody, config: Config, metadata: Metadata | None) -> None:
    """Raises BadRequest unless the writer expects the metadata version there is (None: none)."""
    expected = body.metadata_cas
    if expected is None:
        if config.metadata_cas_required or (metadata and metadata.metadata_cas_required):
            raise BadRequest("metadata check-and-set parameter required for this call")
    elif metadata is None:
        if expected:
            raise BadRequest("metadata_cas must be 0 when creating new metadata")
    elif expected != metadata.metadata_version:
        raise BadRequest("metadata check-and-set parameter does not match the current version")


def _change(
    request: Request, storage: Storage, found: tuple[bytes, Metadata], changes: dict[str, Any]
) -> Reply | None:
    object_id, metadata = found
    changed = replace(
        metadata,
        metadata_version=metadata.metadata_version + 1,
        updated_ns=request.now_ns,
        **changes,
    )
    records.write_metadata(storage, object_id, changed)
    return _overruled(request, records.read_config(storage))


def _overruled(request: Request, config: Config) -> Reply | None:
    """An answer that warns of settings which the mount's own make void, if there are any."""
    overruled = [
        name
        for name in ("cas_required", "metadata_cas_required")
        if getattr(request.body, name) is False and getattr(config, name)
    ]
    for name in overruled:
        request.warn(
            f'"{name}" set to false, but is mandated by backend config. This value will be ignored.'
        )
    return Reply(status=200) if overruled else None
