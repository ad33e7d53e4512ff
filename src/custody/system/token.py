"""The built-in mount `auth/token/`: making, showing, renewing and revoking tokens."""

from collections.abc import Mapping
from typing import Annotated

from custody.base.errors import BadRequest, MultiError, NotFound, PermissionDenied
from custody.plugin.fields import Duration, Fields, PageFields
from custody.plugin.request import Reply, Request
from custody.plugin.route import KIB, Access, Action, Engine, Handler, Op, Route, reads, writes
from custody.plugin.shape import NULL, Keys
from custody.system import token_roles
from custody.system.token_creation import (
    SystemRows,
    SystemTransaction,
    auth_of,
    caller_of,
    limits_of,
    make,
)
from custody.system.token_fields import CreateFields
from custody.token import format as formats
from custody.token import roles, service, view
from custody.token.entry import TokenEntry
from custody.token.view import Lookup

MAX_PAGE = 10_000  # accessors in one answer
_MAX_BODY = 64 * KIB


class BadAccessor(BadRequest, MultiError):
    """No live token has this accessor, or none was given: 400, in the multi-error spelling."""


class UnknownAccessor(BadAccessor):
    """No live token has this accessor."""

    def __init__(self) -> None:
        super().__init__("invalid accessor")


class TokenFields(Fields, frozen=True, kw_only=True):
    """A token, in the body where no log keeps it."""

    token: Annotated[str, "The token's text; without it a look-up is of the caller's own."] = ""


class AccessorFields(Fields, frozen=True, kw_only=True):
    """A token named by its accessor."""

    accessor: Annotated[str, "The token's accessor."] = ""


class RenewFields(TokenFields, frozen=True, kw_only=True):
    """A token to renew, and for how many seconds from now."""

    increment: Annotated[
        Duration, "For how many seconds from now the token is wanted; 0: for its usual time."
    ] = Duration(0)


class RenewAccessorFields(AccessorFields, frozen=True, kw_only=True):
    """The same, by accessor."""

    increment: Annotated[
        Duration, "For how many seconds from now the token is wanted; 0: for its usual time."
    ] = Duration(0)


def create(request: Request, txn: SystemTransaction) -> Reply:
    """A token below the caller's."""
    return make(request, txn)


def create_orphan(request: Request, txn: SystemTransaction) -> Reply:
    """A token without a parent."""
    return make(request, txn, orphan=True)


def create_by_role(request: Request, txn: SystemTransaction) -> Reply:
    """A token as a role says."""
    name = request.params["role_name"]
    role = roles.read(txn, name)
    if role is None:
        raise BadRequest(f"unknown role {name}")
    return make(request, txn, role=role)


def lookup(request: Request, rows: SystemRows) -> Reply:
    """What is known of the token in the body, or of the caller's."""
    body: TokenFields | None = request.body
    if body is None or not body.token:
        return lookup_self(request, rows)
    entry = None
    if formats.well_formed(body.token):
        entry = rows.find_token(body.token, request.now_ns)[1]
    if entry is None:
        raise PermissionDenied("bad token")
    return Reply(view.lookup(entry, body.token, request.now_ns))


def lookup_self(request: Request, rows: SystemRows) -> Reply:
    """What is known of the caller's token."""
    text = rows.presented.reveal()
    entry = rows.find_token(text, request.now_ns)[1]
    if entry is None:
        raise PermissionDenied
    return Reply(view.lookup(entry, text, request.now_ns))


def lookup_accessor(request: Request, rows: SystemRows) -> Reply:
    """What is known of the token with that accessor, without the token itself."""
    _, entry = _by_accessor(request, rows)
    return Reply(view.lookup(entry, "", request.now_ns))


def renew(request: Request, txn: SystemTransaction) -> Reply:
    """Let the token in the body live longer."""
    token = _stored_token(request, "renewed")
    return _renew(request, txn, txn.token_hash(token), token)


def renew_self(request: Request, txn: SystemTransaction) -> Reply:
    """Let the caller's token live longer."""
    _check_stored(txn.presented.reveal(), "renewed")
    return _renew(request, txn, caller_of(request).id, txn.presented.reveal())


def renew_accessor(request: Request, txn: SystemTransaction) -> Reply:
    """Let the token with that accessor live longer."""
    token_hash, _ = _by_accessor(request, txn)
    return _renew(request, txn, token_hash, "")


def revoke(request: Request, txn: SystemTransaction) -> None:
    """Revoke the token in the body and all below it; an unknown one is fine."""
    token_hash = txn.token_hash(_stored_token(request, "revoked"))
    service.revoke(txn, token_hash, request.now_ns)


def revoke_self(request: Request, txn: SystemTransaction) -> None:
    """Revoke the caller's token and all below it."""
    _check_stored(txn.presented.reveal(), "revoked")
    service.revoke(txn, caller_of(request).id, request.now_ns)


def revoke_accessor(request: Request, txn: SystemTransaction) -> None:
    """Revoke the token with that accessor and all below it."""
    try:
        token_hash, _ = _by_accessor(request, txn)
    except UnknownAccessor:
        request.warn("No token found with this accessor")
        return
    service.revoke(txn, token_hash, request.now_ns)


def revoke_orphan(request: Request, txn: SystemTransaction) -> None:
    """Revoke the token in the body; what is below it lives on."""
    token_hash = txn.token_hash(_stored_token(request, "revoked"))
    service.revoke_orphan(txn, token_hash, request.now_ns)


def tidy(request: Request, _rows: SystemRows) -> Reply:
    """Nothing: what tokens leave is cleared in the background all the time."""
    request.warn(
        "What expired and revoked tokens leave is cleared in the background all the time; "
        "there is no operation to start."
    )
    return Reply(status=202)


def list_accessors(request: Request, rows: SystemRows) -> Reply:
    """Accessors of live tokens, in the order of their hashes."""
    body: PageFields = request.body
    limit = min(body.limit, MAX_PAGE) if body.limit > 0 else MAX_PAGE
    after = rows.accessor_hash(body.after) if body.after else b""
    keys: list[str] = []
    more: bytes | None = after
    while more is not None and len(keys) < limit:
        page, more = service.accessors(rows, more, limit - len(keys), request.now_ns)
        keys += page
    if not keys:
        raise NotFound
    if more is not None and body.limit <= 0:
        request.warn(
            f"Only the first {MAX_PAGE} accessors are listed: ask for those after the last"
        )
    return Reply({"keys": keys})


def _renew(request: Request, txn: SystemTransaction, token_hash: bytes, token: str) -> Reply:
    body: RenewFields | RenewAccessorFields = request.body
    renewed = service.renew(txn, token_hash, body.increment, request.now_ns, limits_of(request))
    for text in renewed.warnings:
        request.warn(text)
    return Reply(auth=auth_of(renewed.entry, token, renewed.ttl))


def _by_accessor(request: Request, rows: SystemRows) -> tuple[bytes, TokenEntry]:
    accessor: str = request.body.accessor
    if not accessor:
        raise BadAccessor("missing accessor")
    found = service.by_accessor(rows, rows.accessor_hash(accessor), request.now_ns)
    if found is None:
        raise UnknownAccessor
    return found


def _stored_token(request: Request, verb: str) -> str:
    """The token in the body. Raises BadRequest where there is none, or one of which no row is."""
    token: str = request.body.token
    if not token:
        raise BadRequest("missing token ID")
    _check_stored(token, verb)
    return token


def _check_stored(token: str, verb: str) -> None:
    if token.startswith(formats.BATCH):
        raise BadRequest(f"batch tokens cannot be {verb}")


def _revokes(run: Handler, body: type[Fields] | None = None) -> Mapping[Op, Action]:
    return {Op.WRITE: writes(run, body, essential=True)}


ENGINE = Engine(
    kind="token",
    help="Tokens: what callers show to be let in.",
    system=True,
    routes=(
        Route(
            "create",
            {Op.WRITE: writes(create, CreateFields, grants=True)},
            help="Make a token below the caller's.",
            max_body=_MAX_BODY,
        ),
        Route(
            "create-orphan",
            {Op.WRITE: writes(create_orphan, CreateFields, grants=True)},
            help="Make a token without a parent.",
            max_body=_MAX_BODY,
        ),
        Route(
            "create/{role_name}",
            {Op.WRITE: writes(create_by_role, CreateFields, grants=True)},
            takes={"role_name": "The role's name."},
            help="Make a token as a role says.",
            max_body=_MAX_BODY,
        ),
        *token_roles.ROUTES,
        Route(
            "tidy",
            {Op.WRITE: reads(tidy, shows=NULL, statuses={202: "Begun."})},
            help="Say that tokens are tidied all the time.",
            max_body=_MAX_BODY,
        ),
        Route(
            "lookup",
            {
                Op.READ: reads(lookup, shows=Lookup),
                Op.WRITE: reads(lookup, TokenFields, shows=Lookup),
            },
            help="Show a token; without one in the body, the caller's.",
            max_body=_MAX_BODY,
        ),
        Route(
            "lookup-self",
            {
                Op.READ: reads(lookup_self, shows=Lookup),
                Op.WRITE: reads(lookup_self, TokenFields, shows=Lookup),
            },
            help="Show the caller's token.",
            max_body=_MAX_BODY,
        ),
        Route(
            "lookup-accessor",
            {Op.WRITE: reads(lookup_accessor, AccessorFields, shows=Lookup)},
            help="Show a token by its accessor.",
            max_body=_MAX_BODY,
        ),
        Route(
            "renew",
            {Op.WRITE: writes(renew, RenewFields, grants=True)},
            help="Let a token live longer.",
            max_body=_MAX_BODY,
        ),
        Route(
            "renew-self",
            {Op.WRITE: writes(renew_self, RenewFields, grants=True)},
            help="Let the caller's token live longer.",
            max_body=_MAX_BODY,
        ),
        Route(
            "renew-accessor",
            {Op.WRITE: writes(renew_accessor, RenewAccessorFields, grants=True)},
            help="Let a token live longer, by its accessor.",
            max_body=_MAX_BODY,
        ),
        Route(
            "revoke",
            _revokes(revoke, TokenFields),
            help="Revoke a token and all below it.",
            max_body=_MAX_BODY,
        ),
        Route(
            "revoke-self",
            _revokes(revoke_self, TokenFields),
            help="Revoke the caller's token and all below it.",
            max_body=_MAX_BODY,
        ),
        Route(
            "revoke-accessor",
            _revokes(revoke_accessor, AccessorFields),
            help="Revoke a token by its accessor, and all below it.",
            max_body=_MAX_BODY,
        ),
        Route(
            "revoke-orphan",
            _revokes(revoke_orphan, TokenFields),
            help="Revoke a token and let its children live on as orphans.",
            access=Access.SUDO,
            max_body=_MAX_BODY,
        ),
        Route(
            "accessors",
            {Op.LIST: reads(list_accessors, PageFields, shows=Keys)},
            help="The accessors of all live tokens.",
            access=Access.SUDO,
            max_body=_MAX_BODY,
        ),
    ),
)
