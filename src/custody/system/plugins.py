"""`sys/plugins`: the kinds of engines and methods that are built in, and no others."""

from typing import Annotated, Final, Never, NoReturn, TypedDict

from custody.base.errors import BadRequest, NotFound, UnsupportedOperation
from custody.base.ids import new_uuid
from custody.core import mounts
from custody.core.confine import SystemRows
from custody.plugin.fields import Fields, Strings
from custody.plugin.request import Reply, Request
from custody.plugin.route import Access, Engine, Op, Route, reads
from custody.plugin.shape import NULL, Keys
from custody.system.mount_config import RUNNING
from custody.system.mounts import PSEUDO

_TYPES: Final = ("auth", "database", "secret")
_NO_DIRECTORY: Final = "could not set plugin, plugin directory is not configured"


class RegisterFields(Fields, frozen=True, kw_only=True):
    """A plugin to register."""

    sha256: Annotated[str, "The SHA-256 of the program, in hex."] = ""
    sha_256: Annotated[str, "The same by its old name."] = ""
    command: Annotated[str, "The program, in the plugin directory."] = ""
    args: Annotated[Strings, "Its arguments."] = Strings()
    env: Annotated[Strings, "Its environment, as `name=value`."] = Strings()
    version: Annotated[str, "The plugin's version."] = ""
    oci_image: Annotated[str, "The image, in place of `command`."] = ""
    runtime: Annotated[str, "What runs the image."] = ""


class VersionFields(Fields, frozen=True, kw_only=True):
    """Of which version."""

    version: Annotated[str, "The plugin's version."] = ""


class ReloadFields(Fields, frozen=True, kw_only=True):
    """What to reload: one plugin everywhere, or the plugins of mounts."""

    plugin: Annotated[str, "The plugin that is started anew wherever it is mounted."] = ""
    mounts: Annotated[
        Strings, "The mounts whose plugins are started anew, in place of `plugin`."
    ] = Strings()
    scope: Annotated[str, "On which nodes: `global`, or empty; there is one."] = ""


class Described(TypedDict):
    """A plugin among the others."""

    builtin: bool
    deprecation_status: str
    name: str
    type: str
    version: str


class Catalogue(TypedDict):
    """Every plugin, by type. No database is known yet."""

    auth: list[str]
    database: list[Never]
    secret: list[str]
    detailed: list[Described]


class Plugin(TypedDict):
    """One plugin."""

    args: None
    builtin: bool
    command: str
    declarative: bool
    deprecation_status: str
    name: str
    oci: bool
    sha256: str
    version: str


class Reload(TypedDict):
    """What was begun."""

    reload_id: str


def list_all(_request: Request, rows: SystemRows) -> Reply:
    """Every plugin, by type."""
    names = {kind: _names(rows, kind) for kind in _TYPES}
    detailed = [
        {
            "builtin": True,
            "deprecation_status": "supported",
            "name": name,
            "type": kind,
            "version": RUNNING,
        }
        for kind, found in names.items()
        for name in found
    ]
    return Reply(data={**names, "detailed": detailed})


def list_type(request: Request, rows: SystemRows) -> Reply:
    """The plugins of one type."""
    kind = request.params["name"]
    if kind not in _TYPES:
        raise UnsupportedOperation
    names = _names(rows, kind)
    if not names:
        raise NotFound
    return Reply(data={"keys": names})


def read(request: Request, rows: SystemRows) -> Reply:
    """One plugin."""
    kind, name = request.params["type"], request.params["name"]
    if kind not in _TYPES:
        return _untyped(request, f"{kind}/{name}")
    if name not in _names(rows, kind):
        raise NotFound
    return Reply(
        data={
            "args": None,
            "builtin": True,
            "command": "",
            "declarative": False,
            "deprecation_status": "supported",
            "name": name,
            "oci": False,
            "sha256": "",
            "version": RUNNING,
        }
    )


def read_untyped(request: Request, _rows: SystemRows) -> Reply:
    """A plugin without its type, which is not enough to name it."""
    return _untyped(request, request.params["name"])


def register(request: Request, _rows: SystemRows) -> NoReturn:
    """Register a plugin: there is no directory from which programs would be started."""
    fields: RegisterFields = request.body
    if request.params.get("type", "secret") not in _TYPES:
        raise BadRequest(f"unknown plugin type {request.params['type']!r}")
    if not (fields.sha256 or fields.sha_256):
        raise BadRequest("missing SHA-256 value")
    if not (fields.command or fields.oci_image):
        raise BadRequest("must provide at least one of command or oci_image")
    raise BadRequest(_NO_DIRECTORY)


def deregister(_request: Request, _rows: SystemRows) -> None:
    """Forget a registered plugin; what is built in stays."""


def reload(request: Request, rows: SystemRows) -> Reply:
    """Start plugins anew: what is built in has no process of its own, and is as it was."""
    fields: ReloadFields = request.body
    if fields.plugin and fields.mounts:
        raise BadRequest("plugin and mounts cannot be set at the same time")
    if not fields.plugin and not fields.mounts:
        raise BadRequest("plugin or mounts must be provided")
    if fields.scope not in {"", "global"}:
        raise BadRequest('reload scope must be omitted or "global"')
    for path in fields.mounts:
        if mounts.read(rows.rows, mounts.normalise(path)) is None:
            raise BadRequest(f'cannot fetch mount entry on "{mounts.normalise(path)}"')
    return Reply(data={"reload_id": new_uuid(request.source)})


def _untyped(request: Request, name: str) -> Reply:
    request.warn(
        f'Deprecated API endpoint, cannot read plugin information from catalog for "{name}"'
    )
    return Reply()


def _names(rows: SystemRows, kind: str) -> list[str]:
    known = (name for name, engine in rows.catalog.items() if _type(engine) == kind)
    return sorted(name for name in known if name not in PSEUDO)


def _type(engine: Engine) -> str:
    if engine.system:
        return ""
    return "auth" if engine.auth else "secret"


ROUTES: Final = (
    Route("plugins/catalog", {Op.READ: reads(list_all, shows=Catalogue)}, help="Every plugin."),
    Route(
        "plugins/catalog/{name}",
        {
            Op.LIST: reads(list_type, shows=Keys),
            Op.READ: reads(read_untyped, VersionFields, shows=NULL),
            Op.WRITE: reads(register, RegisterFields),
            Op.DELETE: reads(deregister),
        },
        access=Access.SUDO,
        takes={"name": "A type (`auth`, `database`, `secret`), or a plugin's name."},
        help="The plugins of a type; a plugin without its type.",
    ),
    Route(
        "plugins/catalog/{type}/{name}",
        {
            Op.READ: reads(read, VersionFields, shows=Plugin | None),
            Op.WRITE: reads(register, RegisterFields),
            Op.DELETE: reads(deregister, VersionFields),
        },
        access=Access.SUDO,
        takes={"type": "`auth`, `database` or `secret`.", "name": "The plugin's name."},
        help="One plugin.",
    ),
    Route(
        "plugins/reload/backend",
        {Op.WRITE: reads(reload, ReloadFields, shows=Reload)},
        help="Start plugins anew.",
    ),
)
