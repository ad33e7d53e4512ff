"""Response wrapping: an answer is kept in the cubbyhole of a token that can be used once.

It is made in the transaction that makes the answer, so there is never one without the other.
Opening takes the one use, the content and the token away in one transaction: of any number of
attempts one gets the content, also across a crash. A token that was used leaves a mark
(`token.service.use`), by which whoever shows it again is told that somebody was there before.
Whoever does not know its text is told nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
from msgspec.structs import replace

from custody.base.clock import rfc3339
from custody.base.codec import CorruptRecord
from custody.base.errors import BadRequest, CustodyError, PermissionDenied
from custody.base.ids import Source
from custody.base.store import Rows, Table, Transaction
from custody.core.call import Call
from custody.core.desk import Settings
from custody.core.wrap_jwt import WrappingKey
from custody.plugin.context import Auth, WrapInfo
from custody.plugin.request import Reply, Request
from custody.token import format as formats
from custody.token import service as tokens
from custody.token.asked import Handle, Spec
from custody.token.entry import SPENT, WRAPPING_POLICIES, TokenEntry

UNWRAP, REWRAP = "sys/wrapping/unwrap", "sys/wrapping/rewrap"
PATHS: Final = frozenset((UNWRAP, REWRAP))
MAX_WRAPPED: Final = 8 * 1024 * 1024  # bytes of JSON in JSON
FORMAT: Final = (b"x-vault-wrap-format", b"jwt")  # the header that asks for a JWT
RESPONSE, INFO = b"response", b"wrapinfo"
_INVALID: Final = "wrapping token is not valid or does not exist"
_REFUSED: Final = "error validating wrapping token: "
_EMPTY: Final = f"{_REFUSED}token is empty"


class UnknownWrappingToken(BadRequest):
    """There is no such wrapping token, or what was shown is another kind of token."""

    def __init__(self) -> None:
        super().__init__(_INVALID)

    @property
    def recorded(self) -> str:
        """As the caller is told."""
        return _INVALID


class UsedWrappingToken(UnknownWrappingToken):
    """It was there, and somebody has used it: told to whoever knows its text."""

    def __init__(self, used_ns: int) -> None:
        super().__init__()
        self._used_time = rfc3339(used_ns)

    @property
    def recorded(self) -> str:
        """As the caller is told, and when it was used."""
        return f"{_INVALID}; it was used at {self._used_time}"

    @property
    def facts(self) -> Mapping[str, object]:
        """When it was used."""
        return {"wrapping_token": {"used_time": self._used_time}}


class Hashes(Protocol):
    """What turns tokens and accessors into the keys under which they are stored, and wrapping
    tokens into JWTs and back."""

    @property
    def token_hash(self) -> Any:
        """The key of a token: a function of its text."""
        ...

    @property
    def accessor_hash(self) -> Any:
        """The key of an accessor: a function of its text."""
        ...

    @property
    def wrapping_key(self) -> WrappingKey:
        """Makes and reads wrapping tokens in the form of a JWT."""
        ...

    @property
    def settings(self) -> Settings:
        """Where the server says it is found."""
        ...


class Info(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is told of a wrapping token without using it, and facts about what it holds."""

    creation_time: str  # RFC 3339
    creation_ttl: int  # seconds
    creation_path: str
    status: int = 200
    wrapped_accessor: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a wrapping token held."""

    response: bytes  # a whole envelope, JSON
    info: Info


class _Stored(msgspec.Struct, frozen=True):
    response: str


class _Envelope(msgspec.Struct, frozen=True):
    request_id: str
    lease_id: str
    renewable: bool
    lease_duration: int
    data: Mapping[str, Any] | None
    wrap_info: None
    warnings: tuple[str, ...] | None
    auth: Auth | None


_stored = msgspec.json.Decoder(_Stored)
_envelope = msgspec.json.Decoder(_Envelope)
_info = msgspec.json.Decoder(Info)


def wrapped(
    txn: Transaction, hashes: Hashes, call: Call, request: Request, reply: Reply | None
) -> Reply | None:
    """The answer to `call` put away, and the answer that tells where; nothing to say stays so.

    Raises BadRequest for an answer that is too large to be kept.
    """
    if reply is None:
        if not request.warnings:
            return None
        reply = Reply()
    if reply.wrap is not None or reply.content is not None or reply.file is not None:
        return reply
    response = _encode(call.id, request, reply)
    info = Info(
        rfc3339(request.now_ns),
        call.wrap_ttl,
        call.path,
        reply.status or 200,
        "" if reply.auth is None else reply.auth.accessor,
    )
    made = keep(txn, hashes, request, Opened(response, info))
    made.created = (*made.created, *reply.created)
    if made.wrap is not None and FORMAT in call.headers:
        made.wrap = _as_jwt(hashes, made.wrap, request.now_ns)
    return made


def keep(txn: Transaction, hashes: Hashes, request: Request, content: Opened) -> Reply:
    """Put `content` under a new wrapping token. Raises BadRequest where it is too large."""
    row = msgspec.json.encode(_Stored(content.response.decode()))
    if len(row) > MAX_WRAPPED:
        raise BadRequest(f"the response is over {MAX_WRAPPED} bytes: too large to be wrapped")
    info = content.info
    token, entry, token_hash = _create(txn, hashes, request.source, request.now_ns, info)
    txn.put(Table.CUBBYHOLE, entry.accessor_hash + RESPONSE, row)
    txn.put(Table.CUBBYHOLE, entry.accessor_hash + INFO, msgspec.json.encode(info))
    told = WrapInfo(
        token,
        entry.accessor,
        info.creation_ttl,
        info.creation_time,
        info.creation_path,
        info.wrapped_accessor,
    )
    return Reply(wrap=told, created=(token_hash,))


def take(txn: Transaction, token_hash: bytes, now_ns: int, *, paid: bool) -> Opened:
    """Open a wrapping token: afterwards it is gone, and what it held is nowhere else.

    `paid` says that this very request has used it already. Raises UnknownWrappingToken.
    """
    entry = tokens.find(txn, token_hash, now_ns)
    if entry is None or not _is_wrapping(entry) or (entry.num_uses == SPENT and not paid):
        raise _refused(txn, token_hash)
    if not paid:
        tokens.use(txn, token_hash, now_ns)
    place = entry.accessor_hash
    opened = Opened(_content(txn, place), _read_info(txn, place))
    txn.delete(Table.CUBBYHOLE, place + RESPONSE)
    txn.delete(Table.CUBBYHOLE, place + INFO)
    tokens.revoke(txn, token_hash, now_ns)
    return opened


def look(rows: Rows, token_hash: bytes, now_ns: int) -> Info:
    """What is known of a wrapping token that waits to be used. Raises UnknownWrappingToken."""
    entry = tokens.find(rows, token_hash, now_ns)
    if entry is None or not _is_wrapping(entry) or entry.num_uses == SPENT:
        raise _refused(rows, token_hash)
    return _read_info(rows, entry.accessor_hash)


def reply_of(opened: Opened, hashes: Hashes, request: Request) -> Reply:
    """The answer that was put away, with its warnings. Raises CorruptRecord."""
    try:
        envelope = _envelope.decode(opened.response)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # not chained: the cause may quote the secret
        raise CorruptRecord("a wrapped response is no envelope") from None
    for text in envelope.warnings or ():
        request.warn(text)
    auth = envelope.auth
    return Reply(
        data=envelope.data,
        status=opened.info.status,
        auth=auth,
        lease_duration=envelope.lease_duration,
        created=() if auth is None else (hashes.token_hash(auth.client_token),),
    )


def explain(
    rows: Rows, hashes: Hashes, call: Call, now_ns: int, error: CustodyError
) -> CustodyError:
    """What a caller is told who was refused at one of PATHS: first, what is wrong with the token.

    Vault looks at the wrapping token before it looks at who calls.
    """
    try:
        text = given(call.body)
    except PermissionDenied as refused:
        return refused
    if not text and call.token is not None:
        text = call.token.reveal()
    if not text:
        return PermissionDenied(_EMPTY)
    try:
        look(rows, hashes.token_hash(hashes.wrapping_key.token_in(text)), now_ns)
    except UnknownWrappingToken as refused:
        return refused
    return error


def given(body: Mapping[str, Any]) -> str:
    """The wrapping token that a body names; "" where it names none.

    Raises PermissionDenied where it names something that cannot be one.
    """
    text = body.get("token")
    if text is None:
        return ""
    if not isinstance(text, str):
        raise PermissionDenied(f"{_REFUSED}could not decode token in request body")
    if not text:
        raise PermissionDenied(f"{_REFUSED}empty token in request body")
    return text


def required(text: str) -> str:
    """`text`, a wrapping token. Raises PermissionDenied where there is none."""
    if not text:
        raise PermissionDenied(_EMPTY)
    return text


def _as_jwt(hashes: Hashes, told: WrapInfo, now_ns: int) -> WrapInfo:
    text = hashes.wrapping_key.write(
        told.token, told.wrapped_accessor, hashes.settings.api_addr, now_ns, told.ttl
    )
    return replace(told, token=text)


def _is_wrapping(entry: TokenEntry) -> bool:
    return entry.policies == WRAPPING_POLICIES


def _refused(rows: Rows, token_hash: bytes) -> UnknownWrappingToken:
    used_ns = tokens.used_ns(rows, token_hash)
    return UnknownWrappingToken() if used_ns is None else UsedWrappingToken(used_ns)


def _create(
    txn: Transaction, hashes: Hashes, source: Source, now_ns: int, info: Info
) -> tuple[str, TokenEntry, bytes]:
    token, accessor = formats.new_id(source), formats.new_accessor(source)
    handle = Handle(hashes.token_hash(token), accessor, hashes.accessor_hash(accessor))
    ttl = info.creation_ttl
    spec = Spec(
        policies=WRAPPING_POLICIES,
        path=info.creation_path,
        display_name="",
        ttl=ttl,
        explicit_max_ttl=ttl,
        num_uses=1,
        renewable=False,
    )
    return token, tokens.create(txn, spec, handle, None, now_ns).entry, handle.token_hash


def _encode(request_id: str, request: Request, reply: Reply) -> bytes:
    warnings = (*request.ignored, *request.warnings)
    return msgspec.json.encode(
        _Envelope(
            request_id=request_id,
            lease_id="",
            renewable=False,
            lease_duration=reply.lease_duration,
            data=reply.data,
            wrap_info=None,
            warnings=warnings or None,
            auth=reply.auth,
        )
    )


def _content(rows: Rows, place: bytes) -> bytes:
    row = rows.get(Table.CUBBYHOLE, place + RESPONSE)
    try:
        return _stored.decode(row or b"").response.encode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CorruptRecord("a wrapping token has no response") from None


def _read_info(rows: Rows, place: bytes) -> Info:
    row = rows.get(Table.CUBBYHOLE, place + INFO)
    try:
        return _info.decode(row or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise CorruptRecord("a wrapping token has no information") from None
