"""`sys/storage/snapshot`: the store as a file, saved while it serves, and put back.

Clients of Raft storage find the same under `sys/storage/raft/snapshot`. On a node that was never
initialised a snapshot is restored without a token, as it is initialised without one.
"""

from typing import Final

from custody.base.errors import BadRequest, Sealed
from custody.core import snapshots
from custody.core.act import Act
from custody.core.front import Front
from custody.plugin.request import Reply, Request
from custody.plugin.route import Op, Route, acts


async def save(_request: Request, act: Act | Front) -> Reply:
    """Save a snapshot: all rows, as they are encrypted."""
    if isinstance(act, Front):
        raise Sealed
    return Reply(
        file=await snapshots.save(act.parts),
        content_type=snapshots.MEDIA,
        headers=(("Content-Disposition", 'attachment; filename="custody.snap"'),),
    )


async def restore(request: Request, act: Act | Front) -> None:
    """Restore a snapshot of this store; tokens and what was destroyed since stay as they are."""
    await _restore(request, act, force=False)


async def restore_force(request: Request, act: Act | Front) -> None:
    """Restore a snapshot of any store; of another's, nothing here stays and the node is sealed."""
    await _restore(request, act, force=True)


async def _restore(request: Request, act: Act | Front, *, force: bool) -> None:
    if isinstance(act, Front) and act.seal_config() is not None:
        raise Sealed
    if request.upload is None:
        raise BadRequest("the request has no body")
    await snapshots.restore(act.parts, request.upload, force=force)


_MEDIA: Final = ("application/gzip",)
_SNAPSHOT: Final = {Op.READ: acts(save, media=_MEDIA), Op.WRITE: acts(restore, free=True)}
_FORCE: Final = {Op.WRITE: acts(restore_force, free=True)}

ROUTES: Final = (
    Route(
        "storage/snapshot", _SNAPSHOT, upload=True, sealed=True, raw=True,
        help="Save the store to a file, or restore it from one.",
    ),
    Route(
        "storage/snapshot-force", _FORCE, upload=True, sealed=True, raw=True,
        help="Restore the store from a file, also from another store's.",
    ),
    Route(
        "storage/raft/snapshot", _SNAPSHOT, upload=True, sealed=True, raw=True,
        help="As storage/snapshot, for clients of Raft storage.",
    ),
    Route(
        "storage/raft/snapshot-force", _FORCE, upload=True, sealed=True, raw=True,
        help="As storage/snapshot-force, for clients of Raft storage.",
    ),
)  # fmt: skip
