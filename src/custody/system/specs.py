"""`sys/internal/specs/openapi`: the API as OpenAPI, of the mounts that the caller may touch."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, TypedDict

from custody.core import mounts, openapi
from custody.core.confine import SystemRows
from custody.core.mounts import MountEntry
from custody.core.openapi import Mounted
from custody.plugin.fields import Fields
from custody.plugin.request import Reply, Request
from custody.plugin.route import Access, Op, Route, reads
from custody.policy import service as policies

MAX_MOUNTS: Final = 100  # more than that are described once for each kind


class SpecFields(Fields, frozen=True, kw_only=True):
    """Which form: mounts by a parameter in place of their path; the version of OpenAPI."""

    generic_mount_paths: Annotated[
        bool, "Whether each kind is described once, its mount a parameter of the path."
    ] = False
    version: Annotated[str, "The version of OpenAPI: `3.1`; any other: 3.0.2."] = ""


class _License(TypedDict):
    name: str
    url: str


class _Info(TypedDict):
    title: str
    description: str
    version: str
    license: _License


class _Server(TypedDict):
    url: str


class Document(TypedDict):
    """The API as OpenAPI."""

    openapi: str
    info: _Info
    servers: list[_Server]
    paths: dict[str, dict[str, Any]]
    components: dict[str, dict[str, Any]]


def specification(request: Request, rows: SystemRows) -> Reply:
    """The document; without a token it has no paths."""
    fields: SpecFields = request.body
    entries = [] if request.caller is None else _touched(request, rows)
    places = _places(rows, entries, generic=fields.generic_mount_paths)
    document = openapi.document(places, "Custody API", "Everything that the server answers.")
    return Reply(data=openapi.modern(document) if fields.version == "3.1" else document)


def _touched(request: Request, rows: SystemRows) -> list[MountEntry]:
    caller = request.caller
    acl = policies.acl_for(rows.rows, () if caller is None else caller.policies, request.now_ns)
    return [entry for entry in mounts.entries(rows.rows) if acl.touches(entry.path)]


def _places(rows: SystemRows, entries: list[MountEntry], *, generic: bool) -> Iterator[Mounted]:
    generic = generic or len(entries) > MAX_MOUNTS
    for entry in entries:
        engine = rows.catalog.get(entry.engine or entry.kind)
        if engine is None:
            continue
        prefix = entry.path
        if generic and entry.path not in mounts.BUILTIN:
            name = engine.kind.replace("-", "_")
            prefix = f"{mounts.AUTH * engine.auth}{{{name}_mount_path}}/"
        yield Mounted(engine, prefix, engine.routes)


_ACTION: Final = reads(
    specification,
    SpecFields,
    shows=Document,
)

ROUTES: Final = (
    Route(
        "internal/specs/openapi",
        {Op.READ: _ACTION, Op.WRITE: _ACTION},
        access=Access.OPTIONAL,
        raw=True,
        help="The API as OpenAPI.",
    ),
)
