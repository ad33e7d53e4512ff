"""`sys/`: health, seal status, initialisation, unseal and leader, which need no token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, cast

from custody import __version__
from custody.base.clock import NANOSECOND, rfc3339
from custody.base.errors import BadRequest
from custody.base.secret import Secret
from custody.core.front import Front
from custody.core.ports import SealStatus
from custody.plugin.fields import Fields, Strings
from custody.plugin.request import Reply, Request
from custody.plugin.route import KIB, Access, Op, Route, acts, reads
from custody.seals.config import SHAMIR
from custody.system import holders
from custody.system.share import decode_share
from custody.system.status_shapes import (
    Health,
    Initialised,
    InitStatus,
    Leader,
    Leaderless,
    SealBackends,
    SealStanding,
)

_UNINITIALISED: Final = 501
_SEALED: Final = 503
_ACTIVE: Final = 200
_MAX_BODY: Final = 64 * KIB
_MAX_INIT: Final = 1024 * KIB  # 255 PGP keys of some KiB
_FOR_ROOT: Final = "root_token_pgp_key: "
_STATUSES: Final = range(200, 600)


class HealthFields(Fields, frozen=True, kw_only=True):
    """Which status code stands for which state."""

    standbyok: Annotated[bool, "Whether a standby answers with `activecode`."] = False
    perfstandbyok: Annotated[
        bool, "Whether a standby for performance answers with `activecode`."
    ] = False
    activecode: Annotated[int, "The status of a node that is active."] = _ACTIVE
    standbycode: Annotated[int, "The status of a standby."] = 429
    drsecondarycode: Annotated[int, "The status of a secondary for disaster recovery."] = 472
    performancestandbycode: Annotated[int, "The status of a standby for performance."] = 473
    sealedcode: Annotated[int, "The status of a sealed node."] = _SEALED
    uninitcode: Annotated[int, "The status before it is initialised."] = _UNINITIALISED


class InitFields(Fields, frozen=True, kw_only=True):
    """How the unseal key is split."""

    secret_shares: Annotated[
        int,
        "Into how many shares the unseal key is split, from 1 to 255; 0 under an automatic seal.",
    ] = 0
    secret_threshold: Annotated[
        int, "How many of them open the node; at least 2 where there are several."
    ] = 0
    stored_shares: Annotated[
        int, "Taken from old clients under an automatic seal, where it says nothing."
    ] = 0
    pgp_keys: Annotated[
        Strings, "Public keys in base64, one for each share, which is encrypted to its own."
    ] = Strings()
    root_token_pgp_key: Annotated[
        str, "A public key in base64 to which the root token is encrypted."
    ] = ""
    recovery_shares: Annotated[
        int, "Into how many shares the recovery key is split; automatic seals only."
    ] = 0
    recovery_threshold: Annotated[int, "How many of those are enough."] = 0
    recovery_pgp_keys: Annotated[Strings, "As `pgp_keys`, for the recovery shares."] = Strings()


class UnsealFields(Fields, frozen=True, kw_only=True):
    """One share, or a fresh start."""

    key: Annotated[str, "One share, in hex or base64."] = ""
    reset: Annotated[bool, "Forget the shares given so far."] = False
    migrate: Annotated[bool, "Whether the share is given for the move to another seal."] = False


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


async def backend_status(_request: Request, front: Front) -> Reply:
    """Whether the key of the seal answers, as it was found when it was last tried."""
    since_ns = (await front.parts.custodian.status()).unhealthy_ns
    health: dict[str, object] = {"healthy": not since_ns}
    if since_ns:
        health["unhealthy_since"] = rfc3339(since_ns)[:19] + "Z"
    kind = front.parts.settings.seals.active.kind
    return Reply(
        data={
            **health,
            "backends": [{"name": kind, **health, "configured": True, "disabled": False}],
            "fully_wrapped": not front.migration(front.seal_config()),
        }
    )


def init_status(_request: Request, front: Front) -> Reply:
    """Whether the store is initialised."""
    return Reply(data={"initialized": front.seal_config() is not None})


async def initialise(request: Request, front: Front) -> Reply:
    """Make keys and first rows; shares and root token are shown this once."""
    body: InitFields = request.body
    if front.seal_config() is not None:
        raise BadRequest("Vault is already initialized")
    automatic = front.parts.settings.seals.automatic
    wish = _wish(body, front.parts.settings.seals.active.kind)
    made = await front.initialise(wish.shares, wish.threshold)
    delivery = holders.deliver([share.reveal() for share in made.shares], wish.pgp_keys)
    token = made.root_token.reveal()
    if body.root_token_pgp_key:
        token = holders.encrypted(token, body.root_token_pgp_key, _FOR_ROOT)
    data: dict[str, object] = {
        "keys": [] if automatic else delivery.hex,
        "keys_base64": [] if automatic else delivery.base64,
        "root_token": token,
    }
    if automatic and made.shares:
        data |= {"recovery_keys": delivery.hex, "recovery_keys_base64": delivery.base64}
    return Reply(data=data)


async def unseal(request: Request, front: Front) -> Reply:
    """Take one share; with enough of them the node opens."""
    body: UnsealFields = request.body
    custodian = front.parts.custodian
    if front.seal_config() is None:
        raise BadRequest("server is not yet initialized")
    if body.reset:
        if not front.sealed:
            raise BadRequest("vault is unsealed")
        return Reply(data=_seal_status(front, await custodian.reset()))
    if not body.key:
        raise BadRequest("'key' must be specified in request body as JSON, or 'reset' set to true")
    share = decode_share(body.key)
    if not front.sealed:
        return Reply(data=_seal_status(front, await custodian.status()))
    if body.migrate:
        return Reply(data=_seal_status(front, await front.migrate(Secret(share))))
    unsealing = await custodian.unseal(Secret(share), front.meta())
    return Reply(data=_seal_status(front, unsealing.status))


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


@dataclass(frozen=True, slots=True)
class _Wish:
    """The shares that people will hold, and for whom they are encrypted."""

    shares: int
    threshold: int
    pgp_keys: Sequence[str]


def _wish(body: InitFields, kind: str) -> _Wish:
    """What is asked for, under the seal of that kind. Raises BadRequest for what is not for it."""
    if kind == SHAMIR:
        if body.recovery_shares or body.recovery_threshold or body.recovery_pgp_keys:
            raise BadRequest(
                "parameters recovery_shares,recovery_threshold not applicable to seal type shamir"
            )
        if body.stored_shares:
            raise BadRequest("parameter stored_shares not applicable to seal type shamir")
        wish = _Wish(body.secret_shares, body.secret_threshold, body.pgp_keys)
    else:
        if body.secret_shares or body.secret_threshold or body.pgp_keys:
            raise BadRequest(
                "parameters secret_shares,secret_threshold not applicable to seal type " + kind
            )
        wish = _Wish(body.recovery_shares, body.recovery_threshold, body.recovery_pgp_keys)
    if wish.pgp_keys and len(wish.pgp_keys) != wish.shares:
        raise BadRequest("incorrect number of PGP keys")
    holders.fingerprints(wish.pgp_keys, "")
    if body.root_token_pgp_key:
        holders.fingerprints([body.root_token_pgp_key], _FOR_ROOT)
    return wish


def _seal_status(front: Front, status: SealStatus) -> Mapping[str, object]:
    config = front.seal_config()
    kind = front.parts.settings.seals.active.kind
    data: dict[str, object] = {
        "type": kind,
        "initialized": config is not None,
        "sealed": status.sealed or front.sealed,
        "t": 0 if config is None else config.threshold,
        "n": 0 if config is None else config.shares,
        "progress": status.progress,
        "nonce": status.nonce,
        "version": __version__,
        "build_date": "",
        "commit_date": "",
        "migration": front.migration(config),
        "recovery_seal": kind != SHAMIR,
        "storage_type": front.parts.settings.storage_type,
    }
    if kind != SHAMIR:
        data["recovery_seal_type"] = SHAMIR
    error = status.error or front.objection(config)
    if error:
        data["unseal_error"] = error
    return data | _cluster(front)


def _cluster(front: Front) -> dict[str, object]:
    cluster = front.cluster()
    return {} if cluster is None else {"cluster_name": cluster[0], "cluster_id": cluster[1]}


_STATES: Final = {
    _UNINITIALISED: "Not initialised.",
    _SEALED: "Sealed.",
    429: "Standby.",
    472: "Secondary for disaster recovery.",
    473: "Standby for performance.",
}

ROUTES: Final = (
    Route(
        "health",
        {Op.READ: reads(health, HealthFields, shows=Health, statuses=_STATES)},
        access=Access.PUBLIC, sealed=True, raw=True, head=True,
        help="The state of this node, also as a status code.",
    ),
    Route(
        "seal-status",
        {Op.READ: acts(seal_status, shows=SealStanding)},
        access=Access.PUBLIC, sealed=True, raw=True,
        help="How far the unseal is.",
    ),
    Route(
        "seal-backend-status",
        {Op.READ: acts(backend_status, shows=SealBackends)},
        access=Access.PUBLIC, sealed=True, raw=True,
        help="Whether the key of the seal answers.",
    ),
    Route(
        "init",
        {
            Op.READ: reads(init_status, shows=InitStatus),
            Op.WRITE: acts(initialise, InitFields, shows=Initialised),
        },
        access=Access.PUBLIC, sealed=True, raw=True, max_body=_MAX_INIT,
        help="Whether the store is initialised; initialise it.",
    ),
    Route(
        "unseal",
        {Op.WRITE: acts(unseal, UnsealFields, shows=SealStanding)},
        access=Access.PUBLIC, sealed=True, raw=True, max_body=_MAX_BODY,
        help="Give one share of the unseal key.",
    ),
    Route(
        "leader",
        {Op.READ: reads(leader, shows=Leader | Leaderless)},
        access=Access.PUBLIC, sealed=True, raw=True,
        help="Who leads the cluster.",
    ),
)  # fmt: skip
