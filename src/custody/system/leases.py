"""`sys/leases`: the leases of credentials. No engine hands any out yet, so none is ever found.

Tokens are no leases here: they have `auth/token`. But by a prefix of the path that made them they
are revoked here too, wrapping tokens among them.
"""

from typing import Annotated, Final, Never, NoReturn, TypedDict

from custody.base.errors import BadRequest, NotFound
from custody.core.confine import SystemRows, SystemTransaction
from custody.plugin.fields import Duration, Fields, PageFields
from custody.plugin.request import Reply, Request
from custody.plugin.route import Access, Op, Route, reads, writes
from custody.plugin.shape import NULL
from custody.token import recall

_IRREVOCABLE: Final = "irrevocable"
_ACCEPTED: Final = 202


class LeaseFields(Fields, frozen=True, kw_only=True):
    """A lease by its id."""

    lease_id: Annotated[str, "The lease's id."] = ""


class RenewFields(Fields, frozen=True, kw_only=True):
    """A lease, and for how long from now it is wanted."""

    lease_id: Annotated[str, "The lease's id."] = ""
    url_lease_id: Annotated[str, "The same where the path does not name it."] = ""
    increment: Annotated[
        Duration, "For how many seconds from now the lease is wanted; 0: for its usual time."
    ] = Duration(0)


class RevokeFields(Fields, frozen=True, kw_only=True):
    """A lease; `sync` waits until it is revoked."""

    lease_id: Annotated[str, "The lease's id."] = ""
    url_lease_id: Annotated[str, "The same where the path does not name it."] = ""
    sync: Annotated[bool, "Whether the answer waits until the lease is revoked."] = False


class PrefixFields(Fields, frozen=True, kw_only=True):
    """`sync` waits until all are revoked."""

    sync: Annotated[bool, "Whether the answer waits until all are revoked."] = False


class KindFields(Fields, frozen=True, kw_only=True):
    """Which leases; the only kind that can be asked for is `irrevocable`."""

    type: Annotated[str, "Which leases: `irrevocable`; there is no other."] = ""
    include_child_namespaces: Annotated[bool, "Whether those of namespaces below count."] = False
    limit: Annotated[str, "How many are listed at most: a number, or `none`."] = ""


class Irrevocable(TypedDict):
    """Leases that could not be revoked: there are none."""

    lease_count: int
    leases: list[Never]


class Counts(TypedDict):
    """How many there are, by mount."""

    lease_count: int
    counts: dict[str, Never]


def look_up(request: Request, _rows: SystemRows) -> NoReturn:
    """What is known of a lease."""
    fields: LeaseFields = request.body
    _named(fields.lease_id)
    raise BadRequest("invalid lease")


def list_leases(_request: Request, _rows: SystemRows) -> NoReturn:
    """The leases below a prefix, one level of it."""
    raise NotFound


def renew(request: Request, _rows: SystemRows) -> NoReturn:
    """Prolong a lease."""
    fields: RenewFields = request.body
    _named(fields.lease_id or request.params.get("url_lease_id", "") or fields.url_lease_id)
    raise BadRequest("lease not found")


def revoke(request: Request, _rows: SystemRows) -> None:
    """Revoke a lease; one that is not there is revoked."""
    fields: RevokeFields = request.body
    _named(fields.lease_id or request.params.get("url_lease_id", "") or fields.url_lease_id)


def revoke_prefix(request: Request, txn: SystemTransaction) -> None:
    """Revoke all leases below a prefix, and the tokens that were made there."""
    prefix = request.params["prefix"]
    if not prefix or prefix.endswith("/"):
        raise BadRequest("cannot write to a path ending in '/'")
    recall.begin(txn, prefix)


def list_irrevocable(request: Request, _rows: SystemRows) -> Reply:
    """The leases that could not be revoked."""
    _irrevocable(request)
    return Reply(data={"lease_count": 0, "leases": []})


def count(request: Request, _rows: SystemRows) -> Reply:
    """How many leases could not be revoked, by mount."""
    _irrevocable(request)
    return Reply(data={"lease_count": 0, "counts": {}})


def tidy(request: Request, _rows: SystemRows) -> Reply:
    """Nothing: there are no leases that could be left behind."""
    request.warn(
        "No engine hands out leases yet: there is nothing to tidy and nothing was started."
    )
    return Reply(status=_ACCEPTED)


def _named(lease_id: str) -> None:
    if not lease_id:
        raise BadRequest("lease_id must be specified")


def _irrevocable(request: Request) -> None:
    fields: KindFields = request.body
    if fields.type != _IRREVOCABLE:
        raise NotFound
    if fields.limit not in {"", "none"} and not fields.limit.isdigit():
        raise BadRequest("invalid 'limit' value")


_RENEW: Final = {Op.WRITE: reads(renew, RenewFields)}
_REVOKE: Final = {Op.WRITE: reads(revoke, RevokeFields)}
_PREFIX: Final = {Op.WRITE: writes(revoke_prefix, PrefixFields, essential=True)}
_PREFIXED: Final = "How the ids begin, or the paths of the requests that made the tokens."
_LIST: Final = reads(list_leases, PageFields, access=Access.SUDO)

ROUTES: Final = (
    Route(
        "leases",
        {
            Op.READ: reads(
                list_irrevocable, KindFields, shows=Irrevocable
            )
        },
        access=Access.SUDO,
        help="Leases that could not be revoked.",
    ),
    Route(
        "leases/count",
        {Op.READ: reads(count, KindFields, shows=Counts)},
        help="How many leases could not be revoked.",
    ),
    Route(
        "leases/lookup",
        {Op.WRITE: reads(look_up, LeaseFields), Op.LIST: _LIST},
        help="What is known of a lease; the first level of all.",
    ),
    Route(
        "leases/lookup/{prefix...}",
        {Op.LIST: _LIST},
        takes={"prefix": "How the ids begin, up to a slash."},
        help="The leases below a prefix.",
    ),
    Route("leases/renew", _RENEW, help="Prolong a lease."),
    Route("leases/renew/{url_lease_id...}", _RENEW, help="Prolong a lease."),
    Route("leases/revoke", _REVOKE, help="Revoke a lease."),
    Route("leases/revoke/{url_lease_id...}", _REVOKE, help="Revoke a lease."),
    Route(
        "leases/revoke-prefix/{prefix...}", _PREFIX, access=Access.SUDO,
        takes={"prefix": _PREFIXED},
        help="Revoke all leases below a prefix, and the tokens that were made there.",
    ),
    Route(
        "leases/revoke-force/{prefix...}", _PREFIX, access=Access.SUDO,
        takes={"prefix": _PREFIXED},
        help="As leases/revoke-prefix, and forget leases even where revoking them fails.",
    ),
    Route(
        "leases/tidy",
        {Op.WRITE: reads(tidy, shows=NULL, statuses={_ACCEPTED: "Begun."})},
        help="Look for leases that nothing refers to.",
    ),
    Route("renew", _RENEW, help="The old path of leases/renew."),
    Route("renew/{url_lease_id...}", _RENEW, help="The old path of leases/renew."),
    Route("revoke", _REVOKE, help="The old path of leases/revoke."),
    Route("revoke/{url_lease_id...}", _REVOKE, help="The old path of leases/revoke."),
    Route(
        "revoke-prefix/{prefix...}", _PREFIX, access=Access.SUDO,
        takes={"prefix": _PREFIXED},
        help="The old path of leases/revoke-prefix.",
    ),
    Route(
        "revoke-force/{prefix...}", _PREFIX, access=Access.SUDO,
        takes={"prefix": _PREFIXED},
        help="The old path of leases/revoke-force.",
    ),
)  # fmt: skip
