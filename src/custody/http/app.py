"""The ASGI application: one request in, one answer out, and no exception ever leaves it."""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Protocol

from custody.base.errors import CustodyError
from custody.base.ids import Source, new_uuid
from custody.core.call import Answer, Call
from custody.http.errors import INTERNAL, status_of
from custody.http.limits import MAX_BODY_BYTES, Disconnected, Receive, read_body
from custody.http.request import Redirect, Target, read_headers, read_object, read_target
from custody.http.response import ALWAYS, Header, encode_answer, encode_error

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_log = logging.getLogger(__name__)
_NAMESPACE: Final = b"x-vault-namespace"


class Pipeline(Protocol):
    """What answers a Call: core's node."""

    async def handle(self, call: Call) -> Answer:
        """The answer. Raises CustodyError."""
        ...

    def body_limit(self, path: str) -> int:
        """How many bytes the route at `path` takes; asked for large bodies only."""
        ...

    def count(self, status: int) -> None:
        """One answer of this status is about to leave."""
        ...


class App:
    """Plain ASGI; the mount table behind the pipeline is the router."""

    def __init__(self, pipeline: Pipeline, source: Source) -> None:
        self._pipeline = pipeline
        self._source = source
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            return
        self.in_flight += 1
        try:
            status, headers, body = await self._respond(scope, receive)
        except Disconnected:
            return
        finally:
            self.in_flight -= 1
        self._pipeline.count(status)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if scope["method"] == "HEAD":
            body = b""
        await send({"type": "http.response.body", "body": body})

    async def _respond(self, scope: Scope, receive: Receive) -> tuple[int, list[Header], bytes]:
        try:
            return await self._answer(scope, receive)
        except Redirect as redirect:
            location = (b"location", redirect.location.encode("latin-1"))
            return 307, [location, *ALWAYS, (b"content-length", b"0")], b""
        except CustodyError as error:
            return encode_error(status_of(error), error.listed)
        except Disconnected:
            raise
        except Exception as error:  # noqa: BLE001 the edge's last resort: 500 and silence
            # Neither text nor traceback of an unknown error may be logged: both can quote a secret.
            _log.error("internal error: %s at %s", type(error).__name__, _place(error))
            return encode_error(INTERNAL, ("internal error",))

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, list[Header], bytes]:
        headers = read_headers(scope["headers"], chunked_default=scope["http_version"] != "1.1")
        raw_path = scope.get("raw_path") or scope["path"].encode()
        target = read_target(scope["method"], raw_path, scope["query_string"])
        body = b""
        if headers.content_length != 0:
            body = await read_body(receive, headers.content_length, lambda: self._limit(target))
        client = scope.get("client") or ("", 0)
        call = Call(
            id=new_uuid(self._source),
            op=target.op,
            path=target.path,
            token=headers.token,
            body=read_object(body, headers.content_type, target.op),
            query=target.query,
            wrap_ttl=headers.wrap_ttl,
            remote_address=str(client[0]),
            remote_port=int(client[1]),
            help=target.help,
            head=target.head,
        )
        status, lines, content = encode_answer(await self._pipeline.handle(call))
        if headers.namespace is not None:
            lines.append((_NAMESPACE, headers.namespace.encode("latin-1")))
        return status, lines, content

    def _limit(self, target: Target) -> int:
        return min(MAX_BODY_BYTES, self._pipeline.body_limit(target.path))


def _place(error: BaseException) -> str:
    """Module and line of the innermost frame: enough to find the defect, and never a value."""
    trace = error.__traceback__
    if trace is None:
        return "?"
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
