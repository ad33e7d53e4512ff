"""`sys/internal/ui`: what user interfaces and the command line ask before they ask."""

from collections.abc import Mapping
from typing import Any, Final, NotRequired, TypedDict

from custody.base.errors import PermissionDenied, UnsupportedPath
from custody.core import mounts
from custody.core.confine import SystemRows
from custody.core.mounts import AUTH, MountEntry
from custody.plugin.request import Reply, Request
from custody.plugin.route import Access, Op, Route, reads
from custody.plugin.shape import Nothing
from custody.policy import service as policies
from custody.policy.grant import Grant
from custody.system.mount_config import describe
from custody.system.mount_shapes import (
    AuthAt,
    AuthMount,
    ListedAuth,
    ListedSecret,
    SecretAt,
    SecretMount,
)

_TAGS: Final = ("root", "uuid", "accessor", "storage")
_PUBLIC: Final = ("type", "description", "options")  # what the caller without a token sees


class Mounts(TypedDict):
    """Mounts by path."""

    secret: dict[str, SecretMount | ListedSecret]
    auth: dict[str, AuthMount | ListedAuth]


class Everything(TypedDict):
    """The caller is root."""

    root: bool


class Granted(TypedDict):
    """What is granted of a path, and what narrows it."""

    capabilities: list[str]
    allowed_parameters: NotRequired[dict[str, list[Any]]]
    denied_parameters: NotRequired[dict[str, list[Any]]]
    required_parameters: NotRequired[list[str]]
    min_wrapping_ttl: NotRequired[int]
    max_wrapping_ttl: NotRequired[int]
    pagination_limit: NotRequired[int]


class Grants(Everything):
    """What policies grant, by path and by pattern."""

    exact_paths: dict[str, Granted]
    glob_paths: dict[str, Granted]


class Routed(TypedDict):
    """A mount as it routes."""

    accessor: str
    mount_namespace: str
    mount_path: str
    mount_type: str
    storage_prefix: str
    tainted: bool
    uuid: str


def ui_mounts(request: Request, rows: SystemRows) -> Reply:
    """The mounts that the caller may touch; without a token, the listed ones and little of them."""
    secret: dict[str, object] = {}
    auth: dict[str, object] = {}
    for entry in mounts.entries(rows.rows):
        if not _touches(request, rows, entry):
            continue
        shown = describe(entry)
        if request.caller is None:
            shown = {name: shown[name] for name in _PUBLIC}
        if entry.path.startswith(AUTH):
            auth[entry.path.removeprefix(AUTH)] = shown
        else:
            secret[entry.path] = shown
    return Reply(data={"secret": secret, "auth": auth})


def ui_mount(request: Request, rows: SystemRows) -> Reply:
    """The mount that a path falls into, for a client about to use it."""
    path = request.params["path"].strip("/")
    entry = mounts.resolve(rows.rows, path + "/")
    if entry is None or not _touches(request, rows, entry):
        raise PermissionDenied(
            "preflight capability check returned 403, please ensure client's policies "
            f'grant access to path "{path}/"'
        )
    return Reply(data={"path": entry.path, **describe(entry)})


def namespaces(_request: Request, _rows: SystemRows) -> Reply:
    """The namespaces below this one: there are none."""
    return Reply(data={})


def resultant_acl(request: Request, rows: SystemRows) -> Reply:
    """All that the caller's policies grant, for interfaces that hide what would be refused."""
    caller = request.caller
    acl = policies.acl_for(rows.rows, () if caller is None else caller.policies, request.now_ns)
    if acl.root:
        return Reply(data={"root": True})
    exact, wild = acl.summary()
    return Reply(
        data={
            "root": False,
            "exact_paths": {path: _granted(grant) for path, grant in exact.items()},
            "glob_paths": {path: _granted(grant) for path, grant in wild.items()},
        }
    )


def router(request: Request, rows: SystemRows) -> Reply:
    """The mount table as it routes: by path, uuid, accessor or place in the store."""
    tag = request.params["tag"]
    if tag not in _TAGS:
        raise UnsupportedPath
    return Reply(data={tag: [_routed(entry) for entry in mounts.entries(rows.rows)]})


def _routed(entry: MountEntry) -> Mapping[str, object]:
    return {
        "accessor": entry.accessor,
        "mount_namespace": "",
        "mount_path": entry.path,
        "mount_type": entry.kind,
        "storage_prefix": f"{entry.id.hex()}/",
        "tainted": False,
        "uuid": entry.uuid,
    }


def _granted(grant: Grant) -> Mapping[str, object]:
    return {"capabilities": grant.capability_names(), **grant.restrictions()}


def _touches(request: Request, rows: SystemRows, entry: MountEntry) -> bool:
    caller = request.caller
    if caller is None:
        return entry.config.listing_visibility == "unauth"
    acl = policies.acl_for(rows.rows, caller.policies, request.now_ns)
    return acl.touches(entry.path)


ROUTES: Final = (
    Route(
        "internal/ui/mounts",
        {Op.READ: reads(ui_mounts, shows=Mounts)},
        access=Access.OPTIONAL,
        help="The mounts that the caller may touch.",
    ),
    Route(
        "internal/ui/mounts/{path...}",
        {Op.READ: reads(ui_mount, shows=SecretAt | AuthAt)},
        access=Access.OPTIONAL,
        takes={"path": "A path that falls into the mount."},
        help="The mount that a path falls into.",
    ),
    Route(
        "internal/ui/namespaces",
        {Op.READ: reads(namespaces, shows=Nothing)},
        access=Access.OPTIONAL,
        help="The namespaces that the caller may enter.",
    ),
    Route(
        "internal/ui/resultant-acl",
        {Op.READ: reads(resultant_acl, shows=Everything | Grants)},
        help="All that the caller's policies grant.",
    ),
    Route(
        "internal/inspect/router/{tag}",
        {Op.READ: reads(router, shows=dict[str, list[Routed]])},
        access=Access.SUDO,
        takes={"tag": "`root`, `uuid`, `accessor` or `storage`."},
        help="The mount table as it routes.",
    ),
)
