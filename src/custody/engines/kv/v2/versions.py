"""Handlers of `delete/`, `undelete/` and `destroy/`: chosen versions of a secret.

All are silent about secrets and versions that are not there, as Vault is.
"""

from typing import Annotated

from msgspec.structs import replace

from custody.base.errors import BadRequest
from custody.engines.kv.v2 import objects, records
from custody.engines.kv.v2.absent import no_root
from custody.engines.kv.v2.data import deleted
from custody.engines.kv.v2.schema import Metadata, State, Version
from custody.plugin.fields import Fields, Strings
from custody.plugin.request import Reply, Request
from custody.plugin.storage import Storage


class VersionsBody(Fields, frozen=True, kw_only=True):
    """The numbers of the versions, as a list or comma-separated."""

    versions: Annotated[Strings | None, "The numbers of the versions."] = None


def delete_versions(request: Request, storage: Storage) -> Reply | None:
    """Mark versions deleted."""
    if not request.params["path"]:
        return no_root(request)
    numbers, found = _chosen(request, storage)
    if found is not None:
        objects.change_versions(
            storage, found, numbers, lambda version: deleted(version, request.now_ns)
        )
    return None


def undelete_versions(request: Request, storage: Storage) -> Reply | None:
    """Make deleted or expired versions readable again; the time to live starts anew."""
    if not request.params["path"]:
        return no_root(request)
    numbers, found = _chosen(request, storage)
    if found is None:
        return None
    deletion_ns = objects.expiry(records.read_config(storage), found[1], request.now_ns)

    def restore(version: Version) -> Version:
        if version.state is State.DESTROYED:
            return version
        return Version(version.created_ns, deletion_ns)

    objects.change_versions(storage, found, numbers, restore)
    return None


def destroy_versions(request: Request, storage: Storage) -> Reply | None:
    """Erase the payloads of versions for good."""
    if not request.params["path"]:
        return no_root(request)
    numbers, found = _chosen(request, storage)
    if found is None:
        return None
    for number in numbers.intersection(found[1].numbers):
        records.delete_payload(storage, found[0], number)
    objects.change_versions(
        storage, found, numbers, lambda version: replace(version, state=State.DESTROYED)
    )
    return None


def _chosen(request: Request, storage: Storage) -> tuple[set[int], tuple[bytes, Metadata] | None]:
    """The numbers asked for and the secret. Raises BadRequest when there are no such numbers."""
    if not request.body.versions:
        raise BadRequest("No version number provided")
    try:
        numbers = {int(number) for number in request.body.versions}
    except ValueError:
        raise BadRequest(
            'Field validation failed: error converting input for field "versions": '
            "expected a list of whole numbers"
        ) from None
    return numbers, objects.load(storage, request.params["path"])
