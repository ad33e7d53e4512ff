"""`sys/policies/acl` and `sys/policy`: policies by name, with check-and-set and an end."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final, NotRequired, TypedDict

from custody.base.clock import NANOSECOND, rfc3339
from custody.base.errors import BadRequest, NotFound
from custody.core import mounts
from custody.core.access import BuiltinAccess
from custody.core.act import Act
from custody.core.confine import SystemRows, SystemTransaction
from custody.core.mounts import MountEntry
from custody.plugin.fields import Duration, Fields, PageFields
from custody.plugin.request import Reply, Request
from custody.plugin.route import KIB, Access, Engine, Handler, Op, Route, acts, reads, writes
from custody.plugin.shape import Keys
from custody.policy import service
from custody.policy.document import parse_time_ns
from custody.policy.lint import lint
from custody.policy.service import PolicyEntry, Prepared, Terms

MAX_PAGE: Final = 10_000
MAX_BODY: Final = 128 * KIB
_OPS: Final = {
    "create": Op.WRITE, "update": Op.WRITE, "read": Op.READ, "list": Op.LIST, "scan": Op.SCAN,
    "patch": Op.PATCH, "delete": Op.DELETE,
}  # fmt: skip
_LONG: Final = 2 * KIB  # characters; the parser takes some microseconds for each


class WriteFields(Fields, frozen=True, kw_only=True):
    """A policy to write; `rules` is the old spelling of `policy`."""

    name: Annotated[str, "Taken from old clients; the name in the path counts."] = ""
    policy: Annotated[str, "The policy's text, as HCL or JSON, plain or in base64."] = ""
    rules: Annotated[str, "The same by its old name."] = ""
    cas: Annotated[
        int | None,
        "The version that must be the present one; 0 or -1: there must be none.",
    ] = None
    cas_required: Annotated[bool, "Whether later writes must name `cas`."] = False
    expiration: Annotated[str, "When the policy ends, in RFC 3339; empty: never."] = ""
    ttl: Annotated[Duration | None, "In how many seconds it ends; or `expiration`."] = None


class Names(Keys):
    """Names of policies, twice as old clients want them."""

    policies: list[str]


class _Policy(TypedDict):
    name: str
    version: int
    cas_required: bool
    modified: NotRequired[str]
    expiration: NotRequired[str]


class Policy(_Policy):
    """A policy; `root`, which is built in, is version 0 and was never modified."""

    policy: str


class OldPolicy(_Policy):
    """The same in its old form."""

    rules: str


async def write(request: Request, act: Act) -> None:
    """Set a policy; it governs the next decision of every process.

    What its author most likely did not mean is told as a warning.
    """
    fields: WriteFields = request.body
    terms = _terms(fields, request.now_ns)
    with act.snapshot() as rows:
        known = {entry.path: _is_kv2(entry) for entry in mounts.entries(rows)}
    name, text, catalog = request.params["name"], fields.policy or fields.rules, act.parts.catalog
    if len(text) > _LONG:  # neither the loop nor the store's writer waits for this
        prepared, warnings = await asyncio.to_thread(_prepare, name, text, known, catalog)
    else:
        prepared, warnings = _prepare(name, text, known, catalog)
    now_ns, cas = request.now_ns, fields.cas
    await act.commit(lambda txn: service.put(txn, prepared, now_ns, cas, terms))
    for warning in warnings:
        request.warn(warning)


def delete(request: Request, txn: SystemTransaction) -> None:
    """Remove a policy; tokens that name it lose what it granted at once."""
    service.delete(txn.txn, request.params["name"])


def _reader(field: str) -> Handler:
    def read(request: Request, rows: SystemRows) -> Reply:
        """One policy."""
        entry = service.read(rows.rows, request.params["name"], request.now_ns)
        if entry is None:
            raise NotFound
        return Reply(data={"name": entry.name, field: entry.text, **_extras(entry)})

    return read


def _lister(*, both: bool) -> Handler:
    def list_names(request: Request, rows: SystemRows) -> Reply:
        """Names of policies, sorted."""
        fields: PageFields = request.body
        prefix = request.params.get("name", "")
        limit = fields.limit if 0 < fields.limit <= MAX_PAGE else MAX_PAGE
        after = prefix + fields.after if fields.after else ""
        found = service.names(rows.rows, prefix, after, limit)
        names = [name.removeprefix(prefix) for name in found]
        if not names:
            raise NotFound
        return Reply(data={"keys": names, "policies": names} if both else {"keys": names})

    return list_names


def _prepare(
    name: str, text: str, known: Mapping[str, bool], catalog: Mapping[str, Engine]
) -> tuple[Prepared, list[str]]:
    access = BuiltinAccess(catalog)

    def needs_sudo(path: str, capability: str) -> bool:
        return capability in _OPS and access.of(path, _OPS[capability]) is Access.SUDO

    prepared = service.prepare(name, text)
    return prepared, lint(prepared.document, known, needs_sudo)


def _is_kv2(entry: MountEntry) -> bool:
    return entry.kind == "kv" and entry.options.get("version") == "2"


def _terms(fields: WriteFields, now_ns: int) -> Terms:
    if fields.ttl is not None and fields.expiration:
        raise BadRequest("cannot supply both 'expiration' and 'ttl' for policies")
    expiration = 0
    if fields.ttl:
        if fields.ttl < 0:
            raise BadRequest("'ttl' must be positive")
        expiration = now_ns + int(fields.ttl) * NANOSECOND
    if fields.expiration:
        expiration = parse_time_ns(fields.expiration)
    return Terms(expiration, fields.cas_required)


def _extras(entry: PolicyEntry) -> Mapping[str, Any]:
    extras: dict[str, Any] = {"version": entry.version, "cas_required": entry.cas_required}
    if entry.version:
        extras["modified"] = rfc3339(entry.modified_ns)
    if entry.expiration_ns:
        extras["expiration"] = rfc3339(entry.expiration_ns)
    return extras


_NEW: Final = {
    Op.READ: reads(_reader("policy"), shows=Policy),
    Op.LIST: reads(_lister(both=False), PageFields, shows=Keys),
    Op.WRITE: acts(write, WriteFields),
    Op.DELETE: writes(delete),
}
_OLD: Final = {
    Op.READ: reads(_reader("rules"), shows=OldPolicy),
    Op.LIST: reads(_lister(both=True), PageFields, shows=Names),
    Op.WRITE: acts(write, WriteFields),
    Op.DELETE: writes(delete),
}

ROUTES: Final = (
    Route(
        "policies/acl",
        {Op.LIST: reads(_lister(both=False), PageFields, shows=Keys)},
        help="Names of policies.",
    ),
    Route(
        "policies/acl/{name...}",
        _NEW,
        max_body=MAX_BODY,
        takes={"name": "The policy's name."},
        help="A policy.",
    ),
    Route(
        "policy",
        {
            Op.READ: reads(_lister(both=True), PageFields, shows=Names),
            Op.LIST: reads(_lister(both=True), PageFields, shows=Names),
        },
        top=True,
        help="Names of policies, under their old path.",
    ),
    Route(
        "policy/{name...}",
        _OLD,
        max_body=MAX_BODY,
        top=True,
        takes={"name": "The policy's name."},
        help="A policy (old path).",
    ),
)
