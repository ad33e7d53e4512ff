"""An Answer or an error to bytes, in the envelope that Vault's clients read."""

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final

import msgspec

from custody.core.call import Answer
from custody.http.envelope import AuthPart, Envelope
from custody.plugin.context import Auth
from custody.plugin.request import Reply

JSON: Final = (b"content-type", b"application/json")
ALWAYS: Final = (
    (b"cache-control", b"no-store"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
)
_EMPTY: Final = (b"content-length", b"0")
_NO_FACTS: Final[Mapping[str, object]] = {}
Header = tuple[bytes, bytes]
Encoded = tuple[int, list[Header], bytes]  # status, headers, body
_encode = msgspec.json.Encoder().encode


def encode_answer(answer: Answer) -> Encoded:
    """Status, headers and body of an answer."""
    reply = answer.reply
    if answer.status == 204 or reply is None:  # noqa: PLR2004 the one status without a body
        return answer.status, [JSON, *ALWAYS], b""
    if reply.file is not None:
        kind = (b"content-type", reply.content_type.encode())
        if isinstance(reply.file, AsyncGenerator):
            return answer.status, [kind, *ALWAYS, *_more_headers(reply)], b""
        size = os.fstat(reply.file.fileno()).st_size
        return answer.status, _headers(kind, reply, size), b""
    if reply.content is not None:
        kind = (b"content-type", reply.content_type.encode())
        return answer.status, _headers(kind, reply, len(reply.content)), reply.content
    body = _escape(_written(answer, reply))
    return answer.status, _headers(JSON, reply, len(body)), body


def encode_error(
    status: int, messages: Sequence[str], facts: Mapping[str, object] = _NO_FACTS
) -> Encoded:
    """Status, headers and body of an error; `facts` are fields of our own beside `errors`."""
    body = _escape(_encode({"errors": messages, **facts})) + b"\n"
    return status, [JSON, *ALWAYS, (b"content-length", b"%d" % len(body))], body


def encode_redirect(location: str) -> Encoded:
    """307 to `location`, without a body."""
    return 307, [(b"location", location.encode("latin-1")), *ALWAYS, _EMPTY], b""


def encode_bad_path() -> Encoded:
    """400 without a body or its type: what Go's servers say to a path that cannot be printed."""
    return 400, [*ALWAYS, _EMPTY], b""


def _headers(kind: Header, reply: Reply, length: int) -> list[Header]:
    headers = [kind, *ALWAYS, (b"content-length", str(length).encode())]
    return [*headers, *_more_headers(reply)] if reply.headers else headers


def _more_headers(reply: Reply) -> list[Header]:
    return [(name.lower().encode(), value.encode()) for name, value in reply.headers]


def _written(answer: Answer, reply: Reply) -> bytes:
    """The body. An `Envelope` is made where it holds more than data; else its text is written
    around them, which spares half of what a small answer takes."""
    if answer.raw or answer.top or answer.warnings or reply.auth or reply.wrap:
        return _encode(_body(answer, reply)) + b"\n"
    text = answer.text
    if not text or reply.recorded is not None:  # it would be in that text
        text = b"null" if reply.data is None else _encode(reply.data)
    return (
        b'{"request_id":"%b","lease_id":"","renewable":false,"lease_duration":%b,"data":%b,'
        b'"wrap_info":null,"warnings":null,"auth":null}\n'
        % (answer.request_id.encode(), str(reply.lease_duration).encode(), text)
    )


def _body(answer: Answer, reply: Reply) -> Mapping[str, Any] | Envelope:
    if answer.raw:
        return reply.data or {}
    envelope = Envelope(
        request_id=answer.request_id,
        lease_id="",
        renewable=False,
        lease_duration=reply.lease_duration,
        data=reply.data,
        wrap_info=reply.wrap,
        warnings=answer.warnings or None,
        auth=_auth(reply.auth) if reply.auth else None,
    )
    if answer.top and reply.data:
        parts = {name: getattr(envelope, name) for name in envelope.__struct_fields__}
        return {**reply.data, **parts}
    return envelope


def _auth(auth: Auth) -> AuthPart:
    return AuthPart(
        client_token=auth.client_token,
        accessor=auth.accessor,
        policies=auth.policies,
        token_policies=auth.token_policies or msgspec.UNSET,
        metadata=auth.metadata,
        lease_duration=auth.lease_duration,
        renewable=auth.renewable,
        entity_id=auth.entity_id,
        token_type=auth.token_type,
        orphan=auth.orphan,
        mfa_requirement=None,
        num_uses=auth.num_uses,
    )


def _escape(body: bytes) -> bytes:
    """Write <, > and & as Go's encoder does; they can stand only inside strings."""
    # `find` costs a tenth of `in`, which for bytes raises and clears an error first.
    if body.find(b"<") >= 0:
        body = body.replace(b"<", b"\\u003c")
    if body.find(b">") >= 0:
        body = body.replace(b">", b"\\u003e")
    return body.replace(b"&", b"\\u0026") if body.find(b"&") >= 0 else body
