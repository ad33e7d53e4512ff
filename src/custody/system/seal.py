"""`sys/`: sealing, and the encryption key: its status, its rotation and when it rotates itself."""

from typing import Annotated, Final, TypedDict

from custody.base.clock import NANOSECOND, rfc3339
from custody.base.codec import encode
from custody.base.duration import go_string
from custody.base.errors import BadRequest
from custody.base.store import Table
from custody.core.act import Act
from custody.core.ceremony import RotateRootKey
from custody.core.confine import SystemRows, SystemTransaction
from custody.core.front import Front
from custody.core.rotation import (
    MAX_OPERATIONS,
    MIN_INTERVAL,
    MIN_OPERATIONS,
    ROTATION,
    RotationConfig,
    read_config,
    rotate_keyring,
)
from custody.core.sealing import change_seal
from custody.plugin.fields import Duration, Fields
from custody.plugin.request import Reply, Request
from custody.plugin.route import Access, Op, Route, acts, reads, writes


class RotationFields(Fields, frozen=True, kw_only=True):
    """When the encryption key rotates by itself."""

    enabled: Annotated[bool | None, "Whether it rotates by itself; absent: as it was."] = None
    interval: Annotated[
        Duration | None, "After which time it rotates, at least 24h; 0: only by encryptions."
    ] = None
    max_operations: Annotated[
        int | None, "After how many encryptions it rotates, from 1000000 to 3865470566."
    ] = None


class KeyStatus(TypedDict):
    """The newest term of the encryption key."""

    term: int
    install_time: str
    encryptions: int


class Rotation(TypedDict):
    """When the encryption key rotates by itself; no interval is 0."""

    enabled: bool
    interval: str | int
    max_operations: int


async def seal(_request: Request, desk: Act | Front) -> None:
    """End every process that holds keys. A sealed node answers the same to anyone."""
    if isinstance(desk, Front):
        return
    await desk.parts.custodian.seal()


async def key_status(_request: Request, act: Act) -> Reply:
    """The newest term of the encryption key."""
    barrier = act.parts.barrier
    keyring = barrier.keyring
    with act.snapshot() as view:
        encryptions = barrier.encryptions(view, keyring.term)
    return Reply(
        data={
            "term": keyring.term,
            "install_time": rfc3339(keyring.terms[-1].created_ns),
            "encryptions": encryptions,
        }
    )


async def rotate(_request: Request, act: Act) -> None:
    """Encrypt with a new term from now on; older terms go on opening what they sealed."""
    await rotate_keyring(act.parts, act.commit)


async def rotate_root(_request: Request, act: Act) -> None:
    """Replace the root key, which wraps the keyring; the seal and its shares stay."""
    await change_seal(act.parts, RotateRootKey(), act.commit)


def read_rotation(_request: Request, rows: SystemRows) -> Reply:
    """When the encryption key rotates by itself."""
    config = read_config(rows)
    return Reply(
        data={
            "enabled": config.enabled,
            "interval": config.interval and go_string(config.interval * NANOSECOND),
            "max_operations": config.max_operations,
        }
    )


def write_rotation(request: Request, txn: SystemTransaction) -> None:
    """Set when the encryption key rotates by itself."""
    fields: RotationFields = request.body
    old = read_config(txn)
    interval = old.interval if fields.interval is None else int(fields.interval)
    most = old.max_operations if fields.max_operations is None else fields.max_operations
    if interval and interval < MIN_INTERVAL:
        least = go_string(MIN_INTERVAL * NANOSECOND)
        raise BadRequest(f"interval must be greater or equal to {least}")
    if not MIN_OPERATIONS <= most <= MAX_OPERATIONS:
        raise BadRequest(f"max_operations must be in the range [{MIN_OPERATIONS},{MAX_OPERATIONS}]")
    enabled = old.enabled if fields.enabled is None else fields.enabled
    config = RotationConfig(enabled=enabled, interval=interval, max_operations=most)
    txn.put(Table.SETTING, ROTATION, encode(config))


_ROTATE: Final = {Op.WRITE: acts(rotate)}
_CONFIG: Final = {
    Op.READ: reads(read_rotation, shows=Rotation),
    Op.WRITE: writes(write_rotation, RotationFields),
}

ROUTES: Final = (
    Route("seal", {Op.WRITE: acts(seal)}, access=Access.SUDO, sealed=True, help="Seal this node."),
    Route(
        "key-status",
        {Op.READ: acts(key_status, shows=KeyStatus)},
        top=True,
        help="The encryption key's term.",
    ),
    Route("rotate", _ROTATE, access=Access.SUDO, help="Rotate the encryption key."),
    Route("rotate/keyring", _ROTATE, access=Access.SUDO, help="Rotate the encryption key."),
    Route(
        "rotate/root",
        {Op.WRITE: acts(rotate_root)},
        access=Access.SUDO,
        help="Rotate the root key.",
    ),
    Route("rotate/config", _CONFIG, help="When the encryption key rotates by itself."),
    Route("rotate/keyring/config", _CONFIG, help="When the encryption key rotates by itself."),
)
