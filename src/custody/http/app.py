"""The ASGI application: one request in, one answer out, and no exception ever leaves it."""

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, Protocol

from custody.base.errors import CustodyError, PermissionDenied
from custody.base.ids import Source, new_uuid
from custody.base.secret import Secret
from custody.core.call import Answer, Call, CrossOrigin
from custody.http.cross_origin import REQUESTED, preflight, with_origin
from custody.http.deadlines import Deadlines
from custody.http.errors import INTERNAL, status_of
from custody.http.limits import (
    BODY_DEADLINE_SECONDS,
    MAX_BODY_BYTES,
    MAX_JSON_STRINGS,
    Disconnected,
    Receive,
    Upload,
    read_body,
)
from custody.http.parsed import Headers, Target
from custody.http.request import (
    NAMESPACE,
    ORIGIN,
    BadPath,
    Redirect,
    read_headers,
    read_object,
    read_target,
    read_wrap_ttl,
)
from custody.http.response import (
    Encoded,
    encode_answer,
    encode_bad_path,
    encode_error,
    encode_redirect,
)
from custody.http.sending import send_body
from custody.plugin.route import Op

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_log = logging.getLogger(__name__)
_NO_BODY: Final[Mapping[str, Any]] = {}
_CLOSE: Final = (b"connection", b"close")
_NOBODY: Final = ("", 0)
_FILE: Final = "custody.file"  # in a scope: what is sent as the body


class Pipeline(Protocol):
    """What answers a Call: core's node."""

    async def handle(self, call: Call) -> Answer:
        """The answer. Raises CustodyError."""
        ...

    def body_limit(self, path: str, token: Secret[str] | None) -> int:
        """How many bytes the route at `path` takes; asked for large bodies only.

        Raises CustodyError where the caller is not to be told, or the node is sealed.
        """
        ...

    async def refuse(self, call: Call, error: CustodyError) -> None:
        """Record that `call` is refused with `error` before its body was read.

        Raises AuditFailed.
        """
        ...

    def cross_origin(self, origin: str) -> CrossOrigin | None:
        """What a page of `origin` may; None where origins are not looked at.

        Raises CustodyError for an origin that is not allowed.
        """
        ...

    @property
    def uploads(self) -> frozenset[str]:
        """The paths whose bodies are read by who answers them."""
        ...

    def ignores_wrapping(self, path: str) -> bool:
        """Whether the answer at `path` is never wrapped, whatever the header says."""
        ...

    def count(self, status: int) -> None:
        """One answer of this status is about to leave."""
        ...


class App:
    """Plain ASGI; the mount table behind the pipeline is the router."""

    def __init__(
        self,
        pipeline: Pipeline,
        source: Source,
        max_body: int = MAX_BODY_BYTES,
        body_seconds: float = BODY_DEADLINE_SECONDS,
        max_strings: int = MAX_JSON_STRINGS,
    ) -> None:
        """`max_body` bytes are taken at most, whatever a route would, and within `body_seconds`.

        JSON may hold `max_strings` names and texts.
        """
        self._pipeline = pipeline
        self._source = source
        self._max_body = max_body
        self._max_strings = max_strings
        self._deadlines = Deadlines(body_seconds)
        self.in_flight = 0
        self.closing = False  # ask clients to connect anew: another acceptor takes over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            return
        self.in_flight += 1
        try:
            try:
                status, headers, body = await self._answer(scope, receive)
            except Disconnected:
                return
            except Exception as error:  # noqa: BLE001 the edge's last resort: 500 and silence
                status, headers, body = self._failed(scope, error)
            self._pipeline.count(status)
            if self.closing and scope["http_version"].startswith("1"):
                headers = [*headers, _CLOSE]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            if body and scope["method"] == "HEAD":
                body = b""
            if not body and _FILE in scope:
                await send_body(scope[_FILE], receive, send)
                return
            await send({"type": "http.response.body", "body": body})
        finally:
            self.in_flight -= 1

    def _failed(self, scope: Scope, error: Exception) -> Encoded:
        """What is answered in place of an answer."""
        if isinstance(error, CustodyError):
            return self._refused(scope, error)
        if isinstance(error, Redirect):
            return encode_redirect(error.location)
        if isinstance(error, BadPath):
            return encode_bad_path()
        # Neither text nor traceback of an unknown error may be logged: both can quote a secret.
        _log.error("internal error: %s at %s", type(error).__name__, _place(error))
        return encode_error(INTERNAL, ("internal error",))

    async def _answer(self, scope: Scope, receive: Receive) -> Encoded:
        target = read_target(
            scope["method"],
            scope.get("raw_path") or scope["path"].encode(),
            scope["query_string"],
        )
        headers = read_headers(scope["headers"], chunked_default=scope["http_version"] != "1.1")
        allowed = self._pipeline.cross_origin(headers.origin) if headers.origin else None
        body: Mapping[str, Any] = _NO_BODY
        upload = None
        if target.bodied and target.path in self._pipeline.uploads:
            upload = Upload(receive) if headers.content_length != 0 else None
        elif target.bodied and (headers.content_length != 0 or target.op is Op.PATCH):
            denied: PermissionDenied | None = None
            try:
                body = await self._body(target, headers, receive)
            except PermissionDenied as error:
                denied = error
            if denied is not None:
                await self._pipeline.refuse(self._call(scope, target, headers, _NO_BODY), denied)
                raise denied
        call = self._call(scope, target, headers, body, upload)
        made = await self._pipeline.handle(call)
        if made.reply is not None and made.reply.file is not None:
            scope[_FILE] = made.reply.file
        answer = encode_answer(made)
        if headers.namespace:
            answer = _echoing(scope, answer)
        return answer if allowed is None else with_origin(answer, allowed)

    def _refused(self, scope: Scope, error: CustodyError) -> Encoded:
        """The error's answer; to a page of another origin, with what its browser must know."""
        answer = _echoing(scope, encode_error(status_of(error), error.listed, error.facts))
        origin = _header(scope, ORIGIN)
        if not origin:
            return answer
        try:
            allowed = self._pipeline.cross_origin(origin)
        except CustodyError as refused:
            return encode_error(status_of(refused), refused.listed)
        if allowed is None:
            return answer
        if scope["method"] == "OPTIONS":
            return preflight(allowed, _header(scope, REQUESTED))
        return with_origin(answer, allowed)

    def _call(
        self,
        scope: Scope,
        target: Target,
        headers: Headers,
        body: Mapping[str, Any],
        upload: Upload | None = None,
    ) -> Call:
        client = scope.get("client") or _NOBODY
        return Call(
            id=new_uuid(self._source),
            op=target.op,
            path=target.path,
            token=headers.token,
            body=body,
            query=target.query,
            wrap_ttl=self._wrap_ttl(target, headers.wrap_ttl) if headers.wrap_ttl else 0,
            remote_address=str(client[0]),
            remote_port=int(client[1]),
            help=target.help,
            head=target.head,
            upload=upload,
            headers=scope["headers"],
        )

    async def _body(self, target: Target, headers: Headers, receive: Receive) -> Mapping[str, Any]:
        def limit() -> int:
            return min(self._max_body, self._pipeline.body_limit(target.path, headers.token))

        body = await read_body(receive, headers.content_length, limit, self._deadlines)
        return read_object(body, headers.content_type, target.op, self._max_strings)

    def _wrap_ttl(self, target: Target, text: str) -> int:
        return 0 if self._pipeline.ignores_wrapping(target.path) else read_wrap_ttl(text)


def _echoing(scope: Scope, encoded: Encoded) -> Encoded:
    """The answer with the request's namespace header, as Vault repeats it."""
    status, lines, content = encoded
    echoed = [(name, value) for name, value in scope["headers"] if name == NAMESPACE and value]
    return status, [*lines, *echoed[:1]], content


def _header(scope: Scope, wanted: bytes) -> str:
    values = [value for name, value in scope["headers"] if name == wanted]
    return values[-1].decode("latin-1") if values else ""


def _place(error: BaseException) -> str:
    """Module and line of the innermost frame: enough to find the defect, and never a value."""
    trace = error.__traceback__
    if trace is None:
        return "?"
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
