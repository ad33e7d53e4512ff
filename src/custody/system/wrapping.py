"""`sys/wrapping`: putting answers away under tokens of a single use, and getting them out."""

from typing import Annotated, Any, Final, TypedDict

from msgspec.structs import replace

from custody.base.clock import rfc3339
from custody.base.errors import BadRequest
from custody.core import wrap
from custody.core.confine import SystemRows, SystemTransaction
from custody.plugin.fields import Fields
from custody.plugin.request import Reply, Request
from custody.plugin.route import KIB, Access, Op, Route, reads, writes
from custody.plugin.shape import NULL

_MAX_BODY: Final = 64 * KIB


class TokenFields(Fields, frozen=True, kw_only=True):
    """A wrapping token; without one, the caller's own token is meant."""

    token: Annotated[str, "The wrapping token; left out: the one that the caller shows."] = ""


class Waiting(TypedDict):
    """What is known of a wrapping token that was not used yet."""

    creation_path: str
    creation_time: str
    creation_ttl: int


class PublicKey(TypedDict):
    """The key against which wrapping tokens that are JWTs are checked; numbers as texts."""

    jwt_curve: str
    jwt_x: str
    jwt_y: str


def wrap_body(request: Request, _rows: SystemRows) -> Reply:
    """What was sent, to be wrapped. Raises BadRequest unless it is."""
    if not request.wrap_ttl:
        raise BadRequest("endpoint requires response wrapping to be used")
    return Reply(data=request.raw)


def unwrap(request: Request, txn: SystemTransaction) -> Reply:
    """The answer that a wrapping token holds, once."""
    return wrap.reply_of(_take(request, txn), txn, request)


def rewrap(request: Request, txn: SystemTransaction) -> Reply:
    """Another wrapping token in place of one that was not used yet."""
    opened = _take(request, txn)
    info = replace(opened.info, creation_time=rfc3339(request.now_ns))
    return wrap.keep(txn.txn, txn, request, wrap.Opened(opened.response, info))


def lookup(request: Request, rows: SystemRows) -> Reply:
    """What is known of a wrapping token, which this does not use."""
    text = wrap.required(_wanted(request, rows))
    info = wrap.look(rows.rows, rows.token_hash(text), request.now_ns)
    return Reply(
        data={
            "creation_path": info.creation_path,
            "creation_time": info.creation_time,
            "creation_ttl": info.creation_ttl,
        }
    )


def _take(request: Request, txn: SystemTransaction) -> wrap.Opened:
    token_hash = txn.token_hash(wrap.required(_wanted(request, txn)))
    own = request.caller is not None and request.caller.id == token_hash
    return wrap.take(txn.txn, token_hash, request.now_ns, paid=own)


def _wanted(request: Request, rows: SystemRows) -> str:
    return rows.wrapping_key.token_in(wrap.given(request.raw) or rows.presented.reveal())


def public_key(_request: Request, rows: SystemRows) -> Reply:
    """The key against which wrapping tokens in the form of a JWT are checked."""
    x, y = rows.wrapping_key.public()
    return Reply(data={"jwt_curve": "p521", "jwt_x": str(x), "jwt_y": str(y)})


ROUTES: Final = (
    Route(
        "wrapping/wrap",
        {Op.WRITE: reads(wrap_body, free=True, shows=NULL)},
        top=True,
        clear_numbers=frozenset(),
        help="Put what is sent away under a wrapping token.",
    ),
    Route(
        "wrapping/unwrap",
        {
            Op.WRITE: writes(
                unwrap, TokenFields, essential=True, shows=dict[str, Any] | None, grants=True
            )
        },
        max_body=_MAX_BODY,
        clear_numbers=frozenset(),
        help="Get out, once, what a wrapping token holds.",
    ),
    Route(
        "wrapping/rewrap",
        {Op.WRITE: writes(rewrap, TokenFields, shows=NULL)},
        max_body=_MAX_BODY,
        help="Move what a wrapping token holds to a new one.",
    ),
    Route(
        "wrapping/pubkey",
        {Op.READ: reads(public_key, shows=PublicKey)},
        access=Access.PUBLIC,
        help="The public key of wrapping tokens in the form of a JWT (X-Vault-Wrap-Format: jwt).",
    ),
    Route(
        "wrapping/lookup",
        {
            Op.READ: reads(lookup, shows=Waiting),
            Op.WRITE: reads(lookup, TokenFields, shows=Waiting),
        },
        access=Access.PUBLIC,
        max_body=_MAX_BODY,
        help="What is known of a wrapping token, without using it.",
    ),
)
