"""`sys/`: health, seal status, initialisation, unseal and leader, which need no token."""

import base64
from collections.abc import Mapping
from typing import Final, cast

from custody import __version__
from custody.base.clock import NANOSECOND
from custody.base.errors import BadRequest
from custody.base.secret import Secret
from custody.core.front import Front
from custody.core.ports import SealStatus
from custody.plugin.fields import Fields, Strings
from custody.plugin.request import Reply, Request
from custody.plugin.route import KIB, Access, Op, Route, acts, reads
from custody.system.share import decode_share

_UNINITIALISED: Final = 501
_SEALED: Final = 503
_ACTIVE: Final = 200
_MAX_BODY: Final = 64 * KIB
_STATUSES: Final = range(200, 600)


class HealthFields(Fields, frozen=True, kw_only=True):
    """Which status code stands for which state."""

    standbyok: bool = False
    perfstandbyok: bool = False
    activecode: int = _ACTIVE
    standbycode: int = 429
    drsecondarycode: int = 472
    performancestandbycode: int = 473
    sealedcode: int = _SEALED
    uninitcode: int = _UNINITIALISED


class InitFields(Fields, frozen=True, kw_only=True):
    """How the unseal key is split."""

    secret_shares: int = 0
    secret_threshold: int = 0
    stored_shares: int = 0
    pgp_keys: Strings = Strings()
    root_token_pgp_key: str = ""
    recovery_shares: int = 0
    recovery_threshold: int = 0
    recovery_pgp_keys: Strings = Strings()


class UnsealFields(Fields, frozen=True, kw_only=True):
    """One share, or a fresh start."""

    key: str = ""
    reset: bool = False
    migrate: bool = False


def health(request: Request, front: Front) -> Reply:
    """Whether this node is initialised, unsealed and active, as a status code too."""
    codes = cast("HealthFields", request.body or HealthFields())
    initialised = front.seal_config() is not None
    if not initialised:
        status = codes.uninitcode
    else:
        status = codes.sealedcode if front.sealed else codes.activecode
    if status not in _STATUSES:
        raise BadRequest("a status code is a number from 200 to 599")
    idle = not initialised or front.sealed
    data: dict[str, object] = {
        "initialized": initialised,
        "sealed": front.sealed,
        "standby": idle,
        "performance_standby": False,
        "replication_performance_mode": "unknown" if idle else "disabled",
        "replication_dr_mode": "unknown" if idle else "disabled",
        "server_time_utc": request.now_ns // NANOSECOND,
        "version": __version__,
    }
    return Reply(data=data | _cluster(front), status=status)


async def seal_status(_request: Request, front: Front) -> Reply:
    """How far the unseal is."""
    return Reply(data=_seal_status(front, await front.parts.custodian.status()))


def init_status(_request: Request, front: Front) -> Reply:
    """Whether the store is initialised."""
    return Reply(data={"initialized": front.seal_config() is not None})


async def initialise(request: Request, front: Front) -> Reply:
    """Make keys and first rows; shares and root token are shown this once."""
    body: InitFields = request.body
    if front.seal_config() is not None:
        raise BadRequest("Vault is already initialized")
    _check_init(body)
    made = await front.initialise(body.secret_shares, body.secret_threshold)
    shares = [share.reveal() for share in made.shares]
    return Reply(
        data={
            "keys": [share.hex() for share in shares],
            "keys_base64": [base64.b64encode(share).decode() for share in shares],
            "root_token": made.root_token.reveal(),
        }
    )


async def unseal(request: Request, front: Front) -> Reply:
    """Take one share; with enough of them the node opens."""
    body: UnsealFields = request.body
    custodian = front.parts.custodian
    if front.seal_config() is None:
        raise BadRequest("server is not yet initialized")
    if body.migrate:
        raise BadRequest("can't perform a seal migration, no migration seal found")
    if body.reset:
        if not front.sealed:
            raise BadRequest("vault is unsealed")
        return Reply(data=_seal_status(front, await custodian.reset()))
    if not body.key:
        raise BadRequest("'key' must be specified in request body as JSON, or 'reset' set to true")
    share = decode_share(body.key)
    if not front.sealed:
        return Reply(data=_seal_status(front, await custodian.status()))
    return Reply(data=_seal_status(front, await custodian.unseal(Secret(share), front.meta())))


def leader(_request: Request, front: Front) -> Reply:
    """Who leads. Without high availability there is only this node."""
    if not front.sealed:
        return Reply(data={"ha_enabled": False})
    return Reply(
        data={
            "ha_enabled": False,
            "is_self": False,
            "leader_address": "",
            "leader_cluster_address": "",
            "performance_standby": False,
            "performance_standby_last_remote_wal": 0,
        }
    )


def _check_init(body: InitFields) -> None:
    if body.recovery_shares or body.recovery_threshold or body.recovery_pgp_keys:
        raise BadRequest(
            "parameters recovery_shares,recovery_threshold not applicable to seal type shamir"
        )
    if body.pgp_keys or body.root_token_pgp_key:
        raise BadRequest("PGP-encrypted shares are not available in this version")
    if body.stored_shares:
        raise BadRequest("parameter stored_shares not applicable to seal type shamir")


def _seal_status(front: Front, status: SealStatus) -> Mapping[str, object]:
    config = front.seal_config()
    data: dict[str, object] = {
        "type": "shamir",
        "initialized": config is not None,
        "sealed": status.sealed or front.sealed,
        "t": 0 if config is None else config.threshold,
        "n": 0 if config is None else config.shares,
        "progress": status.progress,
        "nonce": status.nonce,
        "version": __version__,
        "build_date": "",
        "commit_date": "",
        "migration": False,
        "recovery_seal": False,
        "storage_type": front.parts.settings.storage_type,
    }
    return data | _cluster(front)


def _cluster(front: Front) -> dict[str, object]:
    cluster = front.cluster()
    return {} if cluster is None else {"cluster_name": cluster[0], "cluster_id": cluster[1]}


ROUTES: Final = (
    Route(
        "health",
        {Op.READ: reads(health, HealthFields)},
        access=Access.PUBLIC, sealed=True, raw=True, head=True,
        help="The state of this node, also as a status code.",
    ),
    Route(
        "seal-status",
        {Op.READ: acts(seal_status)},
        access=Access.PUBLIC, sealed=True, raw=True,
        help="How far the unseal is.",
    ),
    Route(
        "init",
        {Op.READ: reads(init_status), Op.WRITE: acts(initialise, InitFields)},
        access=Access.PUBLIC, sealed=True, raw=True, max_body=_MAX_BODY,
        help="Whether the store is initialised; initialise it.",
    ),
    Route(
        "unseal",
        {Op.WRITE: acts(unseal, UnsealFields)},
        access=Access.PUBLIC, sealed=True, raw=True, max_body=_MAX_BODY,
        help="Give one share of the unseal key.",
    ),
    Route(
        "leader",
        {Op.READ: reads(leader)},
        access=Access.PUBLIC, sealed=True, raw=True,
        help="Who leads the cluster.",
    ),
)  # fmt: skip
