"""`sys/mounts` and `sys/auth`: engines and auth methods, enabled, shown and disabled."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final

from msgspec.structs import replace

from custody.base.clock import rfc3339
from custody.base.errors import BadRequest, NotFound
from custody.core import mounts, unmounting
from custody.core.confine import MountTransaction, SystemRows, SystemTransaction
from custody.core.mounts import AUTH, MountConfig
from custody.core.unmounting import Unmounting
from custody.plugin.fields import Fields, Pairs
from custody.plugin.request import Reply, Request
from custody.plugin.route import Access, Op, Route, reads, writes
from custody.system.mount_config import TuneFields, changed, describe
from custody.system.mount_shapes import AuthMount, SecretMount, Unmount, Unmounts

PSEUDO: Final[Mapping[str, tuple[str, str]]] = {"kv-v2": ("kv", "2"), "kv-v1": ("kv", "1")}
_KV_V1: Final = "kv-v1"  # the catalog's name of the engine behind `generic` and unversioned `kv`
_KV_VERSIONS: Final = ("", "1", "2")
_BUILTIN: Final = frozenset(("system", "token", "identity", "cubbyhole"))
_MAX_LIST: Final = 1000


class EnableFields(Fields, frozen=True, kw_only=True):
    """A mount to enable."""

    type: Annotated[str, "The kind of engine or method, such as `kv`."] = ""
    description: Annotated[str, "What the mount is for."] = ""
    config: Annotated[
        Mapping[str, Any], "What may be tuned of a mount, by the names that its tuning has."
    ] = MappingProxyType({})
    options: Annotated[Pairs, "Options of the engine, such as KV's `version`."] = Pairs()
    local: Annotated[bool, "Kept and shown; there is one cluster."] = False
    seal_wrap: Annotated[bool, "Kept and shown; everything is encrypted the same."] = False
    external_entropy_access: Annotated[bool, "Taken from clients; it says nothing."] = False
    plugin_name: Annotated[str, "The kind, by another name."] = ""
    plugin_version: Annotated[str, "Taken from clients; there is one version of each engine."] = ""


def list_secrets(_request: Request, rows: SystemRows) -> Reply:
    """Every secrets mount."""
    found = (entry for entry in mounts.entries(rows.rows) if not entry.path.startswith(AUTH))
    return Reply(data={entry.path: describe(entry) for entry in found})


def list_auth(_request: Request, rows: SystemRows) -> Reply:
    """Every auth mount."""
    found = mounts.entries(rows.rows, AUTH)
    return Reply(data={entry.path.removeprefix(AUTH): describe(entry) for entry in found})


def read_mount(request: Request, rows: SystemRows) -> Reply:
    """One mount."""
    path = mounts.normalise(request.params["path"])
    entry = mounts.read(rows.rows, path)
    if entry is None:
        raise BadRequest(f"No secret engine mount at {path}")
    return Reply(data=describe(entry))


def read_auth(request: Request, rows: SystemRows) -> Reply:
    """One auth mount."""
    path = mounts.normalise(request.params["path"])
    entry = mounts.read(rows.rows, AUTH + path)
    if entry is None:
        raise BadRequest(f"No auth engine at {path}")
    return Reply(data=describe(entry))


def enable(request: Request, txn: SystemTransaction) -> None:
    """Enable an engine at a path."""
    path = mounts.normalise(request.params["path"])
    kind, options = _kind_of(request.body)
    if kind in _BUILTIN:
        raise BadRequest(f'mount type of "{kind}" is not mountable')
    _check_known(txn, kind, _engine_of(kind, options), auth=False)
    _add(request, txn, path, kind, options)


def enable_auth(request: Request, txn: SystemTransaction) -> None:
    """Enable an auth method at a path."""
    path = mounts.normalise(AUTH + request.params["path"])
    fields: EnableFields = request.body
    kind = fields.type or fields.plugin_name
    if not kind:
        raise BadRequest("backend type must be specified as a string")
    if kind == mounts.TOKENS.kind:
        raise BadRequest("token credential backend cannot be instantiated")
    if path == AUTH:
        raise BadRequest("mount path must be specified")
    if txn.catalog.get(kind) is None and mounts.in_use(txn.txn, path) is not None:
        raise BadRequest(f"path is already in use at {path.removeprefix(AUTH)}")
    _check_known(txn, kind, kind, auth=True)
    _add(request, txn, path, kind, dict(fields.options))


def disable(request: Request, txn: SystemTransaction) -> None:
    """Disable a mount: refused at once, its data are deleted in the background."""
    path = mounts.normalise(request.params["path"])
    if path in mounts.BUILTIN or path.startswith(mounts.RESERVED):
        raise BadRequest(f'cannot unmount "{path}"')
    _remove(request, txn, path)


def disable_auth(request: Request, txn: SystemTransaction) -> None:
    """Disable an auth mount, as `disable` does."""
    path = mounts.normalise(AUTH + request.params["path"])
    if path == mounts.TOKENS.path:
        raise BadRequest("token credential backend cannot be disabled")
    _remove(request, txn, path)


def list_unmounts(_request: Request, rows: SystemRows) -> Reply:
    """The mounts that were disabled in the last week, and how far the deletion of each is."""
    known = unmounting.known(rows.rows, _MAX_LIST)
    if not known:
        raise NotFound
    info = {one.uuid: _progress(one) for one in known}
    return Reply(data={"keys": list(info), "key_info": info})


def read_unmount(request: Request, rows: SystemRows) -> Reply:
    """How far the deletion of one disabled mount's data is."""
    for one in unmounting.known(rows.rows, _MAX_LIST):
        if one.uuid == request.params["uuid"]:
            return Reply(data=_progress(one))
    raise NotFound


def _check_known(txn: SystemTransaction, kind: str, name: str, *, auth: bool) -> None:
    engine = txn.catalog.get(name)
    if engine is None or engine.auth is not auth:
        raise BadRequest(f"plugin not found in the catalog: {kind}")


def _add(
    request: Request, txn: SystemTransaction, path: str, kind: str, options: Mapping[str, str]
) -> None:
    fields: EnableFields = request.body
    name = _engine_of(kind, options)
    entry = replace(
        mounts.new_entry(request.source, path, kind, request.now_ns),
        engine="" if name == kind else name,
        description=fields.description,
        options=options,
        config=_config(request, txn, path),
        local=fields.local,
        seal_wrap=fields.seal_wrap,
    )
    engine = txn.catalog[name]
    mounts.enable(txn.txn, entry, auth=engine.auth)
    if engine.mounted is not None:
        engine.mounted(request, MountTransaction(txn.txn, entry.id))


def _remove(request: Request, txn: SystemTransaction, path: str) -> None:
    entry = mounts.read(txn.txn, path)
    if entry is not None:
        unmounting.begin(txn.txn, entry, request.now_ns)


def _kind_of(fields: EnableFields) -> tuple[str, Mapping[str, str]]:
    kind = fields.type or fields.plugin_name
    if not kind:
        raise BadRequest("backend type must be specified as a string")
    options: dict[str, str] = dict(fields.options)
    if not options and isinstance(fields.config.get("options"), dict):
        options = {str(key): str(value) for key, value in fields.config["options"].items()}
    if kind in PSEUDO:
        kind, options["version"] = PSEUDO[kind]
    return kind, options


def _engine_of(kind: str, options: Mapping[str, str]) -> str:
    """The catalog's name of what is to be mounted. Raises BadRequest for an unknown version."""
    if kind == "generic":
        return _KV_V1
    if kind != "kv":
        return kind
    version = options.get("version", "")
    if version not in _KV_VERSIONS:
        raise BadRequest(f"KV has no version {version}: set the option version to 1 or 2")
    return kind if version == "2" else _KV_V1


def _config(request: Request, txn: SystemTransaction, path: str) -> MountConfig:
    fields, unknown = TuneFields.read(request.body.config)
    if unknown:
        request.warn(f"Endpoint ignored these unrecognized parameters: [{' '.join(unknown)}]")
    if fields.plugin_version:
        raise BadRequest("cannot select non-builtin version of plugin")
    config, system = changed(MountConfig(), path, fields), txn.settings.max_lease_ttl
    if config.max_lease_ttl and config.default_lease_ttl > config.max_lease_ttl:
        raise BadRequest("given default lease TTL greater than given max lease TTL")
    if not config.max_lease_ttl and config.default_lease_ttl > system:
        raise BadRequest(
            f"given default lease TTL greater than system default lease TTL of {system}"
        )
    return config


def _progress(one: Unmounting) -> Mapping[str, object]:
    return {
        "path": one.path,
        "type": one.kind,
        "accessor": one.accessor,
        "state": "finished" if one.finished_ns else "deleting",
        "rows_deleted": one.deleted,
        "started_time": rfc3339(one.started_ns),
        "finished_time": rfc3339(one.finished_ns) if one.finished_ns else "",
    }


ROUTES: Final = (
    Route(
        "mounts",
        {Op.READ: reads(list_secrets, shows=dict[str, SecretMount])},
        top=True,
        help="Every secrets mount.",
    ),
    Route(
        "mounts/{path...}",
        {
            Op.READ: reads(read_mount, shows=SecretMount | AuthMount),
            Op.WRITE: writes(enable, EnableFields),
            Op.DELETE: writes(disable),
        },
        top=True,
        takes={"path": "The mount's path."},
        help="Enable, show or disable a secrets engine.",
    ),
    Route(
        "auth",
        {Op.READ: reads(list_auth, shows=dict[str, AuthMount])},
        top=True,
        help="Every auth mount.",
    ),
    Route(
        "auth/{path...}",
        {
            Op.READ: reads(read_auth, shows=AuthMount),
            Op.WRITE: writes(enable_auth, EnableFields),
            Op.DELETE: writes(disable_auth),
        },
        access=Access.SUDO,
        top=True,
        takes={"path": "The mount's path below `auth/`."},
        help="Enable, show or disable an auth method.",
    ),
    Route(
        "unmounts",
        {Op.LIST: reads(list_unmounts, shows=Unmounts)},
        help="Mounts that were disabled.",
    ),
    Route(
        "unmounts/{uuid}",
        {Op.READ: reads(read_unmount, shows=Unmount)},
        takes={"uuid": "The UUID that the mount had."},
        help="How far the deletion of a disabled mount's data is.",
    ),
)
