"""The built-in mount `auth/token/`: making, showing, renewing and revoking tokens."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from custody.base.errors import BadRequest, MultiError, NotFound, PermissionDenied
from custody.base.secret import Secret
from custody.base.store import Rows, Transaction
from custody.plugin.fields import Duration, Fields, Pairs
from custody.plugin.request import Auth, Caller, Reply, Request
from custody.plugin.route import KIB, Access, Action, Engine, Handler, Op, Route, reads, writes
from custody.token import format as formats
from custody.token import service, view
from custody.token.entry import Handle, TokenEntry
from custody.token.lifetime import Limits
from custody.token.plan import Asked, Plan, Way, plan

MAX_PAGE = 10_000  # accessors in one answer
_MAX_BODY = 64 * KIB


class SystemRows(Rows, Protocol):
    """The store as these handlers read it, with what they need beside it."""

    @property
    def presented(self) -> Secret[str]:
        """The token that the caller showed."""
        ...

    def token_hash(self, token: str) -> bytes:
        """The key under which a token is stored."""
        ...

    def accessor_hash(self, accessor: str) -> bytes:
        """The key under which an accessor is stored."""
        ...

    def policy_exists(self, name: str) -> bool:
        """Whether there is a policy of that name."""
        ...


class SystemTransaction(SystemRows, Transaction, Protocol):
    """The same, in a transaction."""


class BadAccessor(BadRequest, MultiError):
    """No live token has this accessor, or none was given: 400, in the multi-error spelling."""


class UnknownAccessor(BadAccessor):
    """No live token has this accessor."""

    def __init__(self) -> None:
        super().__init__("invalid accessor")


class CreateFields(Fields, frozen=True, kw_only=True):
    """A request for a token. Durations and policies are read by the rules on creation."""

    id: str = ""
    policies: Any = ()
    meta: Pairs = Pairs()
    no_parent: bool = False
    no_default_policy: bool = False
    renewable: bool = True
    ttl: Any = ""
    lease: Any = ""  # the old name of ttl
    explicit_max_ttl: Any = ""
    period: Any = ""
    display_name: str = ""
    num_uses: int = 0
    type: str = ""
    entity_alias: str = ""


class TokenFields(Fields, frozen=True, kw_only=True):
    """A token, in the body where no log keeps it."""

    token: str = ""


class AccessorFields(Fields, frozen=True, kw_only=True):
    """A token named by its accessor."""

    accessor: str = ""


class RenewFields(TokenFields, frozen=True, kw_only=True):
    """A token to renew, and for how many seconds from now."""

    increment: Duration = Duration(0)


class RenewAccessorFields(AccessorFields, frozen=True, kw_only=True):
    """The same, by accessor."""

    increment: Duration = Duration(0)


class PageFields(Fields, frozen=True, kw_only=True):
    """A page of a list: `limit` names behind `after`; 0 or less means all."""

    after: str = ""
    limit: int = 0


def create(request: Request, txn: SystemTransaction) -> Reply:
    """A token below the caller's."""
    return _create(request, txn, orphan=False)


def create_orphan(request: Request, txn: SystemTransaction) -> Reply:
    """A token without a parent."""
    return _create(request, txn, orphan=True)


def lookup(request: Request, rows: SystemRows) -> Reply:
    """What is known of the token in the body, or of the caller's."""
    body: TokenFields | None = request.body
    if body is None or not body.token:
        return lookup_self(request, rows)
    entry = None
    if formats.well_formed(body.token):
        entry = service.find(rows, rows.token_hash(body.token), request.now_ns)
    if entry is None:
        raise PermissionDenied("bad token")
    return Reply(view.lookup(entry, body.token, request.now_ns))


def lookup_self(request: Request, rows: SystemRows) -> Reply:
    """What is known of the caller's token."""
    entry = service.find(rows, _caller(request).id, request.now_ns)
    if entry is None:
        raise PermissionDenied
    return Reply(view.lookup(entry, rows.presented.reveal(), request.now_ns))


def lookup_accessor(request: Request, rows: SystemRows) -> Reply:
    """What is known of the token with that accessor, without the token itself."""
    _, entry = _by_accessor(request, rows)
    return Reply(view.lookup(entry, "", request.now_ns))


def renew(request: Request, txn: SystemTransaction) -> Reply:
    """Let the token in the body live longer."""
    token = _required_token(request)
    return _renew(request, txn, txn.token_hash(token), token)


def renew_self(request: Request, txn: SystemTransaction) -> Reply:
    """Let the caller's token live longer."""
    return _renew(request, txn, _caller(request).id, txn.presented.reveal())


def renew_accessor(request: Request, txn: SystemTransaction) -> Reply:
    """Let the token with that accessor live longer."""
    token_hash, _ = _by_accessor(request, txn)
    return _renew(request, txn, token_hash, "")


def revoke(request: Request, txn: SystemTransaction) -> None:
    """Revoke the token in the body and all below it; an unknown one is fine."""
    token_hash = txn.token_hash(_required_token(request))
    service.revoke(txn, token_hash, request.now_ns)


def revoke_self(request: Request, txn: SystemTransaction) -> None:
    """Revoke the caller's token and all below it."""
    service.revoke(txn, _caller(request).id, request.now_ns)


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
    token_hash = txn.token_hash(_required_token(request))
    service.revoke_orphan(txn, token_hash, request.now_ns)


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


def _create(request: Request, txn: SystemTransaction, *, orphan: bool) -> Reply:
    caller = _caller(request)
    parent = service.authenticate(txn, caller.id, request.now_ns)
    way = Way(request.mount.path + request.path, caller.sudo or caller.root, orphan)
    made = plan(parent, _asked(request.body), way, _limits(request))
    for text in made.warnings:
        request.warn(text)
    for name in made.spec.policies:
        if not txn.policy_exists(name):
            request.warn(f'Policy "{name}" does not exist')
    token = made.id or formats.new_id(request.source)
    entry = _store(request, txn, made, token)
    return Reply(
        auth=_auth(entry, token, entry.ttl),
        created=(txn.token_hash(token),),
    )


def _store(request: Request, txn: SystemTransaction, made: Plan, token: str) -> TokenEntry:
    accessor = formats.new_accessor(request.source)
    handle = Handle(txn.token_hash(token), accessor, txn.accessor_hash(accessor))
    parent = None if made.orphan else _caller(request).id
    return service.create(txn, made.spec, handle, parent, request.now_ns).entry


def _asked(body: CreateFields) -> Asked:
    return Asked(
        id=body.id,
        policies=_policies(body.policies),
        meta=body.meta,
        no_parent=body.no_parent,
        no_default_policy=body.no_default_policy,
        renewable=body.renewable,
        ttl=body.ttl or body.lease,
        explicit_max_ttl=body.explicit_max_ttl,
        period=body.period,
        display_name=body.display_name,
        num_uses=body.num_uses,
        type=body.type,
        entity_alias=body.entity_alias,
    )


def _policies(value: object) -> tuple[str, ...]:
    """A list of names, or one name: a comma does not separate here."""
    if isinstance(value, str):
        return (value,) if value else ()
    if isinstance(value, Sequence) and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise BadRequest(
        'Field validation failed: error converting input for field "policies": '
        "expected a list of strings"
    )


def _renew(request: Request, txn: SystemTransaction, token_hash: bytes, token: str) -> Reply:
    body: RenewFields | RenewAccessorFields = request.body
    renewed = service.renew(txn, token_hash, body.increment, request.now_ns, _limits(request))
    for text in renewed.warnings:
        request.warn(text)
    return Reply(auth=_auth(renewed.entry, token, renewed.ttl))


def _auth(entry: TokenEntry, token: str, ttl: int) -> Auth:
    return Auth(
        client_token=token,
        accessor=entry.accessor,
        policies=entry.policies,
        token_policies=entry.policies,
        metadata=dict(entry.meta) or None,
        lease_duration=ttl,
        renewable=entry.renewable,
        entity_id=entry.entity_id,
        token_type=entry.type,
        orphan=entry.orphan,
        num_uses=entry.num_uses,
    )


def _by_accessor(request: Request, rows: SystemRows) -> tuple[bytes, TokenEntry]:
    accessor: str = request.body.accessor
    if not accessor:
        raise BadAccessor("missing accessor")
    found = service.by_accessor(rows, rows.accessor_hash(accessor), request.now_ns)
    if found is None:
        raise UnknownAccessor
    return found


def _required_token(request: Request) -> str:
    token: str = request.body.token
    if not token:
        raise BadRequest("missing token ID")
    return token


def _caller(request: Request) -> Caller:
    if request.caller is None:
        raise PermissionDenied
    return request.caller


def _limits(request: Request) -> Limits:
    return Limits(request.mount.default_lease_ttl, request.mount.max_lease_ttl)


def _revokes(run: Handler, body: type[Fields] | None = None) -> Mapping[Op, Action]:
    return {Op.WRITE: writes(run, body, essential=True)}


ENGINE = Engine(
    kind="token",
    help="Tokens: what callers show to be let in.",
    system=True,
    routes=(
        Route(
            "create",
            {Op.WRITE: writes(create, CreateFields)},
            help="Make a token below the caller's.",
            max_body=_MAX_BODY,
        ),
        Route(
            "create-orphan",
            {Op.WRITE: writes(create_orphan, CreateFields)},
            help="Make a token without a parent.",
            max_body=_MAX_BODY,
        ),
        Route(
            "lookup",
            {Op.READ: reads(lookup), Op.WRITE: reads(lookup, TokenFields)},
            help="Show a token; without one in the body, the caller's.",
            max_body=_MAX_BODY,
        ),
        Route(
            "lookup-self",
            {Op.READ: reads(lookup_self), Op.WRITE: reads(lookup_self, TokenFields)},
            help="Show the caller's token.",
            max_body=_MAX_BODY,
        ),
        Route(
            "lookup-accessor",
            {Op.WRITE: reads(lookup_accessor, AccessorFields)},
            help="Show a token by its accessor.",
            max_body=_MAX_BODY,
        ),
        Route(
            "renew",
            {Op.WRITE: writes(renew, RenewFields)},
            help="Let a token live longer.",
            max_body=_MAX_BODY,
        ),
        Route(
            "renew-self",
            {Op.WRITE: writes(renew_self, RenewFields)},
            help="Let the caller's token live longer.",
            max_body=_MAX_BODY,
        ),
        Route(
            "renew-accessor",
            {Op.WRITE: writes(renew_accessor, RenewAccessorFields)},
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
            {Op.LIST: reads(list_accessors, PageFields)},
            help="The accessors of all live tokens.",
            access=Access.SUDO,
            max_body=_MAX_BODY,
        ),
    ),
)
