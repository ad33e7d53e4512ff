"""How much of a request the edge takes, and reading a body within it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Self

from custody.base.errors import BadRequest, RequestTimeout, TooLarge, unchained
from custody.http.deadlines import Deadlines

KIB: Final = 1024
MAX_HEADER_BYTES: Final = 64 * KIB
MAX_PATH_BYTES: Final = 8 * KIB
MAX_API_PATH_BYTES: Final = 2048
MAX_SEGMENT_BYTES: Final = 400
MAX_BODY_BYTES: Final = 32 * KIB * KIB
SMALL_BODY_BYTES: Final = 4 * KIB  # up to this nobody is asked how much the route takes
BODY_DEADLINE_SECONDS: Final = 30.0
UPLOAD_RATE: Final = 16 * KIB  # bytes a second
MAX_JSON_DEPTH: Final = 64
MAX_JSON_STRINGS: Final = 1000  # names and texts, each of which a record holds as a hash

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class Disconnected(Exception):
    """The client went away before its request was whole: nothing is done."""


async def read_body(
    receive: Receive,
    declared: int | None,
    limit: Callable[[], int],
    deadlines: Deadlines,
) -> bytes:
    """The whole body, at most `limit()` bytes.

    `declared` is the Content-Length, None when none was given. `limit` is asked only for a body of
    more than 4 KiB. Raises TooLarge before reading what a declared length forbids, else with the
    chunk that goes over it; RequestTimeout when the deadline is missed; Disconnected when the
    client leaves before the last chunk; and what `limit` raises.
    """
    if declared == 0:
        return b""
    bound = SMALL_BODY_BYTES
    if declared is not None and declared > bound:
        bound = limit()
        if declared > bound:
            raise TooLarge("http: request body too large")
    waiting = deadlines.begin()
    try:
        return await _read_chunks(receive, bound, limit)
    except asyncio.CancelledError:
        if not deadlines.missed(waiting):
            raise
    finally:
        deadlines.end(waiting)
    raise unchained(RequestTimeout("the request's body did not arrive in time"))


class Upload:
    """A body that is read piece by piece by who answers, at most once.

    Raises BadRequest where the client leaves before its end, RequestTimeout where it is silent or
    slower than `UPLOAD_RATE` from beginning to now. Only the time that it is waited for counts.
    """

    def __init__(self, receive: Receive, seconds: float = BODY_DEADLINE_SECONDS) -> None:
        self._receive = receive
        self._seconds = seconds
        self._left = seconds  # for which it may still be waited for
        self._more = True

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._more:
            raise StopAsyncIteration
        began = time.monotonic()
        try:
            async with asyncio.timeout(min(self._seconds, self._left)):
                message = await self._receive()
        except TimeoutError:
            raise unchained(RequestTimeout("the request's body did not arrive in time")) from None
        self._left -= time.monotonic() - began
        if message["type"] == "http.disconnect":
            raise BadRequest("the client left before its body was whole")
        self._more = bool(message.get("more_body", False))
        chunk: bytes = message.get("body", b"")
        self._left += len(chunk) / UPLOAD_RATE
        return chunk


async def _read_chunks(receive: Receive, bound: int, limit: Callable[[], int]) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > bound:
            bound = limit()
            if size > bound:
                raise TooLarge("http: request body too large")
        if not message.get("more_body", False):
            return b"".join((*chunks, chunk)) if chunks else chunk
        chunks.append(chunk)
