"""`sys/mounts`, `sys/auth` and what user interfaces ask of mounts."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from custody import __version__
from custody.base.errors import BadRequest, PermissionDenied
from custody.core import mounts
from custody.core.confine import MountTransaction, SystemRows, SystemTransaction
from custody.core.mounts import MountConfig, MountEntry
from custody.plugin.fields import Duration, Fields, Pairs, Strings
from custody.plugin.request import Reply, Request
from custody.plugin.route import Access, Op, Route, reads, writes
from custody.policy import service as policies

_LISTING: Final = ("", "hidden", "unauth")
_PSEUDO: Final[Mapping[str, tuple[str, str]]] = {"kv-v2": ("kv", "2"), "kv-v1": ("kv", "1")}
_BUILTIN: Final = frozenset(("system", "token", "identity", "cubbyhole"))


class ConfigFields(Fields, frozen=True, kw_only=True):
    """What may be set when a mount is enabled."""

    default_lease_ttl: Duration = Duration(0)
    max_lease_ttl: Duration = Duration(0)
    force_no_cache: bool = False
    listing_visibility: str = ""
    audit_non_hmac_request_keys: Strings = Strings()
    audit_non_hmac_response_keys: Strings = Strings()
    passthrough_request_headers: Strings = Strings()
    allowed_response_headers: Strings = Strings()
    options: Pairs = Pairs()
    plugin_version: str = ""


class EnableFields(Fields, frozen=True, kw_only=True):
    """A mount to enable."""

    type: str = ""
    description: str = ""
    config: Mapping[str, Any] = MappingProxyType({})
    options: Pairs = Pairs()
    local: bool = False
    seal_wrap: bool = False
    external_entropy_access: bool = False
    plugin_name: str = ""
    plugin_version: str = ""


def list_secrets(_request: Request, rows: SystemRows) -> Reply:
    """Every secrets mount."""
    found = (entry for entry in mounts.entries(rows) if not entry.path.startswith("auth/"))
    return Reply(data={entry.path: describe(entry) for entry in found})


def list_auth(_request: Request, rows: SystemRows) -> Reply:
    """Every auth mount."""
    return Reply(
        data={
            entry.path.removeprefix("auth/"): describe(entry)
            for entry in mounts.entries(rows, "auth/")
        }
    )


def read_mount(request: Request, rows: SystemRows) -> Reply:
    """One mount."""
    path = mounts.normalise(request.params["path"])
    entry = mounts.read(rows, path)
    if entry is None:
        raise BadRequest(f"No secret engine mount at {path}")
    return Reply(data=describe(entry))


def enable(request: Request, txn: SystemTransaction) -> None:
    """Enable an engine at a path."""
    fields: EnableFields = request.body
    path = mounts.normalise(request.params["path"])
    kind, options = _kind_of(fields)
    engine = txn.catalog.get(kind)
    if kind in _BUILTIN:
        raise BadRequest(f'mount type of "{kind}" is not mountable')
    if engine is None:
        raise BadRequest(f"plugin not found in the catalog: {kind}")
    entry = msgspec.structs.replace(
        mounts.new_entry(request.source, path, kind, request.now_ns),
        description=fields.description,
        options=options,
        config=_config(request, fields.config),
        local=fields.local,
        seal_wrap=fields.seal_wrap,
    )
    mounts.enable(txn.txn, entry)
    if engine.mounted is not None:
        engine.mounted(request, MountTransaction(txn.txn, entry.id))


def disable(request: Request, txn: SystemTransaction) -> None:
    """Disable a mount: refused at once, its data are deleted in the background."""
    path = mounts.normalise(request.params["path"])
    if path in mounts.BUILTIN or path.startswith(mounts.RESERVED):
        raise BadRequest(f'cannot unmount "{path}"')
    mounts.disable(txn.txn, path)


def ui_mounts(request: Request, rows: SystemRows) -> Reply:
    """The mounts that the caller may touch; without a token, the listed ones and little of them."""
    secret: dict[str, object] = {}
    auth: dict[str, object] = {}
    for entry in mounts.entries(rows):
        if not _touches(request, rows, entry):
            continue
        shown = describe(entry)
        if request.caller is None:
            shown = {name: shown[name] for name in _PUBLIC}
        if entry.path.startswith("auth/"):
            auth[entry.path.removeprefix("auth/")] = shown
        else:
            secret[entry.path] = shown
    return Reply(data={"secret": secret, "auth": auth})


def ui_mount(request: Request, rows: SystemRows) -> Reply:
    """The mount that a path falls into, for a client about to use it."""
    path = request.params["path"].strip("/")
    entry = mounts.resolve(rows, path + "/")
    if entry is None or not _touches(request, rows, entry):
        raise PermissionDenied(
            "preflight capability check returned 403, please ensure client's policies "
            f'grant access to path "{path}/"'
        )
    return Reply(data={"path": entry.path, **describe(entry)})


def describe(entry: MountEntry) -> Mapping[str, object]:
    """A mount as clients read it."""
    config = entry.config
    shown: dict[str, object] = {
        "default_lease_ttl": config.default_lease_ttl,
        "max_lease_ttl": config.max_lease_ttl,
        "force_no_cache": config.force_no_cache,
    }
    for name in _OPTIONAL:
        value = getattr(config, name)
        if value:
            shown[name] = value
    return {
        "type": entry.kind,
        "description": entry.description,
        "accessor": entry.accessor,
        "uuid": entry.uuid,
        "config": shown,
        "options": dict(entry.options) or None,
        "local": entry.local,
        "seal_wrap": entry.seal_wrap,
        "external_entropy_access": False,
        "plugin_version": "",
        "running_plugin_version": f"v{__version__}+builtin.custody",
        "running_sha256": "",
        "deprecation_status": "supported",
    }


_PUBLIC: Final = ("type", "description", "options")  # what the caller without a token sees
_OPTIONAL: Final = (
    "listing_visibility",
    "audit_non_hmac_request_keys",
    "audit_non_hmac_response_keys",
    "passthrough_request_headers",
    "allowed_response_headers",
)


def _kind_of(fields: EnableFields) -> tuple[str, Mapping[str, str]]:
    kind = fields.type or fields.plugin_name
    if not kind:
        raise BadRequest("backend type must be specified as a string")
    options: dict[str, str] = dict(fields.options)
    if not options and isinstance(fields.config.get("options"), dict):
        options = {str(key): str(value) for key, value in fields.config["options"].items()}
    if kind in _PSEUDO:
        kind, options["version"] = _PSEUDO[kind]
    if kind == "kv" and options.get("version") != "2":
        raise BadRequest(
            "KV version 1 is not available in this version; "
            "enable the engine with type kv-v2 or with options version=2"
        )
    return kind, options


def _config(request: Request, raw: Mapping[str, Any]) -> MountConfig:
    fields, unknown = ConfigFields.read(raw)
    if unknown:
        request.warn(f"Endpoint ignored these unrecognized parameters: [{' '.join(unknown)}]")
    if fields.listing_visibility not in _LISTING:
        raise BadRequest(f"invalid listing_visibility {fields.listing_visibility}")
    if min(fields.default_lease_ttl, fields.max_lease_ttl) < 0:
        raise BadRequest("a lease TTL cannot be negative")
    if fields.max_lease_ttl and fields.default_lease_ttl > fields.max_lease_ttl:
        raise BadRequest("given default lease TTL greater than given max lease TTL")
    return MountConfig(
        default_lease_ttl=int(fields.default_lease_ttl),
        max_lease_ttl=int(fields.max_lease_ttl),
        force_no_cache=fields.force_no_cache,
        listing_visibility=fields.listing_visibility,
        audit_non_hmac_request_keys=tuple(fields.audit_non_hmac_request_keys),
        audit_non_hmac_response_keys=tuple(fields.audit_non_hmac_response_keys),
        passthrough_request_headers=tuple(fields.passthrough_request_headers),
        allowed_response_headers=tuple(fields.allowed_response_headers),
    )


def _touches(request: Request, rows: SystemRows, entry: MountEntry) -> bool:
    caller = request.caller
    if caller is None:
        return entry.config.listing_visibility == "unauth"
    acl = policies.acl_for(rows.rows, caller.policies, request.now_ns)
    return acl.touches(entry.path)


ROUTES: Final = (
    Route("mounts", {Op.READ: reads(list_secrets)}, top=True, help="Every secrets mount."),
    Route(
        "mounts/{path...}",
        {
            Op.READ: reads(read_mount),
            Op.WRITE: writes(enable, EnableFields),
            Op.DELETE: writes(disable),
        },
        top=True,
        help="Enable, show or disable a secrets engine.",
    ),
    Route("auth", {Op.READ: reads(list_auth)}, top=True, help="Every auth mount."),
    Route(
        "internal/ui/mounts",
        {Op.READ: reads(ui_mounts)},
        access=Access.OPTIONAL,
        help="The mounts that the caller may touch.",
    ),
    Route(
        "internal/ui/mounts/{path...}",
        {Op.READ: reads(ui_mount)},
        access=Access.OPTIONAL,
        help="The mount that a path falls into.",
    ),
)
