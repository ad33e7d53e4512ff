"""`sys/capabilities*`: what a token may do at given paths."""

from typing import Annotated, Final

from custody.base.errors import BadRequest
from custody.core.confine import SystemRows
from custody.plugin.fields import Fields, Strings
from custody.plugin.request import Reply, Request
from custody.plugin.route import KIB, Op, Route, reads
from custody.policy import service as policies
from custody.token import service as tokens
from custody.token.entry import TokenEntry

_MAX_BODY: Final = 64 * KIB  # some thousand paths: each is a look into the caller's policies


class SelfFields(Fields, frozen=True, kw_only=True):
    """The paths; `path` is the old spelling."""

    paths: Annotated[Strings, "The paths, without `/v1/`."] = Strings()
    path: Annotated[Strings, "The same by its old name; both together are taken."] = Strings()


class TokenFields(SelfFields, frozen=True, kw_only=True):
    """The same for a token given in the body."""

    token: Annotated[str, "The token whose capabilities are asked for."] = ""


class AccessorFields(SelfFields, frozen=True, kw_only=True):
    """The same for a token named by its accessor."""

    accessor: Annotated[str, "The accessor of the token whose capabilities are asked for."] = ""


def of_self(request: Request, rows: SystemRows) -> Reply:
    """What the caller may do."""
    entry = rows.find_token(rows.presented.reveal(), request.now_ns)[1]
    return _answer(request, rows, entry)


def of_token(request: Request, rows: SystemRows) -> Reply:
    """What the token in the body may do."""
    fields: TokenFields = request.body
    if not fields.token:
        raise BadRequest("no token found")
    return _answer(request, rows, rows.find_token(fields.token, request.now_ns)[1])


def of_accessor(request: Request, rows: SystemRows) -> Reply:
    """What the token of an accessor may do."""
    fields: AccessorFields = request.body
    if not fields.accessor:
        raise BadRequest("no accessor found")
    accessor_hash = rows.accessor_hash(fields.accessor)
    found = tokens.by_accessor(rows.rows, accessor_hash, request.now_ns)
    if found is None:
        raise BadRequest("invalid accessor")
    return _answer(request, rows, found[1])


def _answer(request: Request, rows: SystemRows, entry: TokenEntry | None) -> Reply:
    fields: SelfFields = request.body
    paths = [*fields.paths, *fields.path]
    if not paths:
        raise BadRequest("paths must be supplied")
    if entry is None:
        raise BadRequest("invalid token")
    acl = policies.acl_for(rows.rows, entry.policies, request.now_ns)
    data: dict[str, object] = {path: acl.capabilities(path.lstrip("/")) for path in paths}
    if len(paths) == 1:
        data["capabilities"] = data[paths[0]]
    return Reply(data=data)


ROUTES: Final = (
    Route(
        "capabilities-self",
        {Op.WRITE: reads(of_self, SelfFields, shows=dict[str, list[str]])},
        top=True,
        max_body=_MAX_BODY,
        help="What the caller may do at given paths.",
    ),
    Route(
        "capabilities-accessor",
        {Op.WRITE: reads(of_accessor, AccessorFields, shows=dict[str, list[str]])},
        top=True,
        max_body=_MAX_BODY,
        help="What the token of an accessor may do at given paths.",
    ),
    Route(
        "capabilities",
        {Op.WRITE: reads(of_token, TokenFields, shows=dict[str, list[str]])},
        top=True,
        max_body=_MAX_BODY,
        help="What a token may do at given paths.",
    ),
)
