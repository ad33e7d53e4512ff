"""`sys/remount`: gives a mount another path. The data lie under its id, so one row changes."""

from typing import Annotated, Final, TypedDict

import msgspec

from custody.base.errors import BadRequest, NotFound
from custody.base.ids import new_uuid
from custody.core import migrations, mounts
from custody.core.confine import SystemRows, SystemTransaction
from custody.core.migrations import Migration
from custody.core.mounts import AUTH, BUILTIN, RESERVED, MountEntry
from custody.plugin.fields import Fields
from custody.plugin.request import Reply, Request
from custody.plugin.route import Access, Op, Route, reads, writes


class RemountFields(Fields, frozen=True, kw_only=True):
    """From where to where; paths of auth mounts begin with auth/."""

    source: Annotated[str, "Its path until now; `auth/` is part of it."] = msgspec.field(
        default="", name="from"
    )
    target: Annotated[str, "Its path from now on."] = msgspec.field(default="", name="to")


class Begun(TypedDict):
    """A move, by its id."""

    migration_id: str


class Moved(TypedDict):
    """From where to where, and how far."""

    source_mount: str
    target_mount: str
    status: str


class Status(Begun):
    """What became of a move."""

    migration_info: Moved


def remount(request: Request, txn: SystemTransaction) -> Reply:
    """Move a mount: the old path is refused, and the new one answers, with the next request."""
    fields: RemountFields = request.body
    if not fields.source or not fields.target:
        raise BadRequest("both 'from' and 'to' path must be specified as a string")
    source, target = mounts.normalise(fields.source), mounts.normalise(fields.target)
    entry = _movable(txn, source, target)
    mounts.move(txn.txn, entry, target)
    migration = Migration(new_uuid(request.source), source, target)
    migrations.remember(txn.txn, migration)
    request.warn(
        f"The mount is at {target} from now on. Policies and clients that name {source} are not "
        "changed by that."
    )
    return Reply(data={"migration_id": migration.id})


def status(request: Request, rows: SystemRows) -> Reply:
    """What became of a move."""
    found = migrations.find(rows.rows, request.params["migration_id"])
    if found is None:
        raise NotFound
    info = {"source_mount": found.source, "target_mount": found.target, "status": "success"}
    return Reply(data={"migration_id": found.id, "migration_info": info})


def _movable(txn: SystemTransaction, source: str, target: str) -> MountEntry:
    """The mount to move. Raises BadRequest where it cannot go there."""
    if source in BUILTIN or (source.startswith(RESERVED) and not source.startswith(AUTH)):
        raise BadRequest(f'cannot remount "{source}"')
    if source.startswith(AUTH) and not target.startswith(AUTH):
        raise BadRequest(f'cannot remount auth mount to non-auth mount "{target}"')
    if target.startswith(RESERVED) and not source.startswith(AUTH):
        raise BadRequest(f"cannot remount to destination {target}")
    if target == AUTH:
        raise BadRequest(f"cannot remount to destination {target}")
    entry = mounts.read(txn.txn, source)
    if entry is None:
        raise BadRequest(f'no matching mount at "{source}"')
    taken = mounts.in_use(txn.txn, target)
    if taken is not None:
        raise BadRequest(f'path already in use at "{taken}"')
    return entry


ROUTES: Final = (
    Route(
        "remount",
        {Op.WRITE: writes(remount, RemountFields, shows=Begun)},
        access=Access.SUDO,
        top=True,
        help="Move a mount to another path.",
    ),
    Route(
        "remount/status/{migration_id}",
        {Op.READ: reads(status, shows=Status)},
        takes={"migration_id": "The id that the move was answered with."},
        help="What became of the move of a mount.",
    ),
)
