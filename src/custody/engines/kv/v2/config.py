"""Handlers of `config`: the mount's settings, which secrets inherit."""

from typing import Annotated, Any

from msgspec.structs import replace

from custody.base.duration import go_string
from custody.base.errors import BadRequest
from custody.engines.kv.v2 import records
from custody.engines.kv.v2.records import SECOND
from custody.engines.kv.v2.schema import MAX_VERSIONS, Config
from custody.plugin.fields import Duration, Fields
from custody.plugin.request import Reply, Request
from custody.plugin.storage import Storage


class CASFields(Fields, frozen=True, kw_only=True):
    """What a mount demands of every write, and a secret of its own."""

    cas_required: Annotated[
        bool | None, "Whether writes must name the version that they expect."
    ] = None
    metadata_cas_required: Annotated[
        bool | None, "Whether writes of metadata must name the version that they expect."
    ] = None


class ConfigBody(CASFields, frozen=True, kw_only=True):
    """The settings to change; a negative delete_version_after disables it for every secret."""

    max_versions: Annotated[int | None, "How many versions secrets keep, up to 1024; 0: 10."] = None
    delete_version_after: Annotated[
        Duration | None,
        "After how many seconds versions are deleted; 0: never; below: never at all.",
    ] = None


def enable(_request: Request, storage: Storage) -> None:
    """Write the settings of a new mount."""
    records.write_config(storage, Config())


def read_config(_request: Request, storage: Storage) -> Reply:
    """The settings."""
    config = records.read_config(storage)
    return Reply(
        data={
            "cas_required": config.cas_required,
            "delete_version_after": go_string(config.delete_version_after * SECOND),
            "max_versions": config.max_versions,
            "metadata_cas_required": config.metadata_cas_required,
        }
    )


def write_config(request: Request, storage: Storage) -> None:
    """Change the settings that the body names. Raises BadRequest for a limit exceeded."""
    changes: dict[str, Any] = {
        name: value
        for name in request.body.__struct_fields__
        if (value := getattr(request.body, name)) is not None
    }
    if "max_versions" in changes:
        check_max_versions(changes["max_versions"])
    if "delete_version_after" in changes:
        changes["delete_version_after"] = max(-1, changes["delete_version_after"])
    if changes:
        records.write_config(storage, replace(records.read_config(storage), **changes))


def check_max_versions(value: int) -> None:
    """Raises BadRequest unless `value` versions can be kept; 0 means: inherit."""
    if not 0 <= value <= MAX_VERSIONS:
        raise BadRequest(f"max_versions must be from 0 to {MAX_VERSIONS}")
