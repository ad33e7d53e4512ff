"""Making tokens: `create`, `create-orphan` and `create/<role>` of the mount `auth/token/`."""

from collections.abc import Sequence
from typing import Protocol

from custody.base.errors import BadRequest, PermissionDenied
from custody.base.secret import Secret
from custody.base.store import Rows, Transaction
from custody.plugin.context import Auth, Caller
from custody.plugin.request import Reply, Request
from custody.system.token_fields import CreateFields
from custody.token import format as formats
from custody.token import service
from custody.token.asked import Asked, Created, Handle, Plan, Way
from custody.token.entry import BATCH_TYPE, TokenEntry
from custody.token.lifetime import Limits
from custody.token.plan import plan
from custody.token.roles import TokenRole


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

    def find_token(self, text: str, now_ns: int) -> tuple[bytes, TokenEntry | None]:
        """The hash of a token of either type, and its entry while it is good, else None."""
        ...

    def policy_exists(self, name: str) -> bool:
        """Whether there is a policy of that name."""
        ...


class BatchWriter(Protocol):
    """What makes the text of a batch token."""

    def write(self, entry: TokenEntry) -> str:
        """The text. Raises BadRequest where it would be too long."""
        ...


class SystemTransaction(SystemRows, Transaction, Protocol):
    """The same, in a transaction."""

    @property
    def batch(self) -> BatchWriter:
        """Makes the texts of batch tokens."""
        ...


def make(
    request: Request,
    txn: SystemTransaction,
    *,
    orphan: bool = False,
    role: TokenRole | None = None,
) -> Reply:
    """Make what the request asks for: an orphan, or as `role` says. Raises BadRequest."""
    caller = caller_of(request)
    if caller.token_type == BATCH_TYPE:
        raise BadRequest("batch tokens cannot create more tokens")
    parent = service.authenticate(txn, caller.id, request.now_ns)
    suffix = f"/{role.path_suffix}" if role is not None and role.path_suffix else ""
    way = Way(
        path=f"{request.mount.path}{request.path}{suffix}",
        sudo=caller.sudo or caller.root,
        orphan=orphan,
        role=role,
        remote=request.remote,
    )
    made = plan(parent, _asked(request.body), way, limits_of(request))
    for text in made.warnings:
        request.warn(text)
    for name in made.spec.policies:
        if not txn.policy_exists(name):
            request.warn(f'Policy "{name}" does not exist')
    if made.spec.type == BATCH_TYPE:
        return _batch(request, txn, made)
    token = made.id or formats.new_id(request.source)
    stored = _store(request, txn, made, token, parent)
    return Reply(
        auth=auth_of(stored.entry, token, stored.entry.ttl),
        created=(stored.token_hash,),
    )


def _store(
    request: Request, txn: SystemTransaction, made: Plan, token: str, good: TokenEntry
) -> Created:
    accessor = formats.new_accessor(request.source)
    hashes = txn.token_hash(token), txn.accessor_hash(accessor)
    handle = Handle(hashes[0], accessor, hashes[1], chosen=bool(made.id))
    parent = None if made.orphan else caller_of(request).id
    return service.create(txn, made.spec, handle, parent, request.now_ns, good)


def _batch(request: Request, txn: SystemTransaction, made: Plan) -> Reply:
    """A token of which nothing is stored."""
    parent = None if made.orphan else caller_of(request).id
    entry = service.batch_entry(txn, made.spec, request.source, parent, request.now_ns)
    return Reply(auth=auth_of(entry, txn.batch.write(entry), entry.ttl))


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


def auth_of(entry: TokenEntry, token: str, ttl: int) -> Auth:
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


def caller_of(request: Request) -> Caller:
    if request.caller is None:
        raise PermissionDenied
    return request.caller


def limits_of(request: Request) -> Limits:
    return Limits(request.mount.default_lease_ttl, request.mount.max_lease_ttl)
