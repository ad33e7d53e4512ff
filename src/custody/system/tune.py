"""`sys/mounts/<path>/tune`, `sys/auth/<path>/tune`: the configuration of a mount that is there."""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from custody.base.errors import BadRequest
from custody.core import mounts, upgrading
from custody.core.confine import SystemRows, SystemTransaction
from custody.core.mounts import AUTH, UPGRADING, MountEntry
from custody.plugin.request import Reply, Request
from custody.plugin.route import Access, Handler, Op, Route, reads, writes
from custody.system.mount_config import TuneFields, changed, show_tune
from custody.system.mount_shapes import AuthTune, SecretTune

_FIXED: Final = (
    "default_lease_ttl", "max_lease_ttl", "description", "listing_visibility", "options",
    "passthrough_request_headers", "allowed_response_headers", "plugin_version", "token_type",
)  # fmt: skip


def _reader(prefix: str) -> Handler:
    def read(request: Request, rows: SystemRows) -> Reply:
        """The configuration that takes effect."""
        path = mounts.normalise(prefix + request.params["path"])
        entry = mounts.read(rows.rows, path)
        if entry is None:
            raise BadRequest(f'cannot fetch sysview for path "{path}"')
        return Reply(data=show_tune(entry, rows))

    return read


def _writer(prefix: str) -> Handler:
    def write(request: Request, txn: SystemTransaction) -> None:
        """Change the configuration; the next request is decided by it."""
        path = mounts.normalise(prefix + request.params["path"])
        entry = mounts.read(txn.txn, path)
        if entry is None:
            raise BadRequest(f'tune of path "{path}" failed: no mount entry found')
        tuned = _tuned(entry, request.body)
        if tuned != entry:
            mounts.store(txn.txn, tuned)
        if tuned.engine == entry.engine:
            return
        if not upgrading.begin(txn.txn, txn.catalog, tuned, request.now_ns):
            request.warn(
                "Upgrading mount from version 1 to version 2. This mount will be unavailable for a "
                "brief period and will resume service shortly."
            )

    return write


def _tuned(entry: MountEntry, fields: TuneFields) -> MountEntry:
    if entry.path in mounts.BUILTIN and not entry.path.startswith(AUTH):
        for name in _FIXED:
            if getattr(fields, name) is not None:
                raise BadRequest(f"cannot tune parameter {name} of {entry.path}")
    if fields.user_lockout_config is not None and not entry.path.startswith(AUTH):
        raise BadRequest(
            f'tuning of user lockout configuration for auth type "{entry.kind}" not allowed'
        )
    if fields.plugin_version:
        raise BadRequest(
            f"plugin not found in the catalog: {entry.kind}, version={fields.plugin_version}"
        )
    config = changed(entry.config, entry.path, fields)
    longest = config.max_lease_ttl
    if longest and config.default_lease_ttl > longest:
        raise BadRequest(
            f"backend max lease TTL of {longest} would be less than backend default lease TTL "
            f"of {config.default_lease_ttl}"
        )
    options = _options(entry, fields.options or {})
    return replace(
        entry,
        engine=UPGRADING if _upgraded(entry, options) else entry.engine,
        config=config,
        description=entry.description if fields.description is None else fields.description,
        options=options,
    )


def _options(entry: MountEntry, given: Mapping[str, str]) -> Mapping[str, str]:
    """The options with those that were given in their place. KV's version may only rise."""
    wanted = given.get("version")
    if entry.path in mounts.BUILTIN and wanted is not None:
        raise BadRequest(f'singleton plugin cannot be reloaded: "{entry.kind}"')
    if entry.kind == "kv" and wanted is not None:
        if wanted not in {"1", "2"}:
            raise BadRequest(f"invalid version provided: {wanted}")
        if wanted == "1" and entry.options.get("version") == "2":
            raise BadRequest("cannot downgrade mount from version 2")
    return {**entry.options, **given}


def _upgraded(entry: MountEntry, options: Mapping[str, str]) -> bool:
    """Whether a store without versions is to keep them from now on."""
    old = entry.kind == "kv" and entry.options.get("version") != "2"
    return old and options.get("version") == "2"


ROUTES: Final = (
    Route(
        "mounts/{path...}/tune",
        {
            Op.READ: reads(_reader(""), shows=SecretTune | AuthTune),
            Op.WRITE: writes(_writer(""), TuneFields),
        },
        top=True,
        takes={"path": "The mount's path."},
        help="The configuration of a mount, also of an auth mount as auth/<path>.",
    ),
    Route(
        "auth/{path...}/tune",
        {
            Op.READ: reads(_reader(AUTH), shows=AuthTune),
            Op.WRITE: writes(_writer(AUTH), TuneFields),
        },
        access=Access.SUDO,
        top=True,
        takes={"path": "The mount's path below `auth/`."},
        help="The configuration of an auth mount.",
    ),
)
