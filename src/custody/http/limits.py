"""How much of a request the edge takes, and reading a body within it."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from custody.base.errors import RequestTimeout, TooLarge

KIB: Final = 1024
MAX_HEADER_BYTES: Final = 64 * KIB
MAX_PATH_BYTES: Final = 8 * KIB
MAX_API_PATH_BYTES: Final = 2048
MAX_SEGMENT_BYTES: Final = 400
MAX_BODY_BYTES: Final = 32 * KIB * KIB
SMALL_BODY_BYTES: Final = 64 * KIB  # below this nobody is asked how much the route takes
BODY_DEADLINE_SECONDS: Final = 30.0
MAX_JSON_DEPTH: Final = 64

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class Disconnected(Exception):
    """The client went away before its request was whole: nothing is done."""


async def read_body(receive: Receive, declared: int | None, limit: Callable[[], int]) -> bytes:
    """The whole body, at most `limit()` bytes.

    `declared` is the Content-Length, None when the body is chunked. `limit` is asked only for a
    body of more than 64 KiB. Raises TooLarge before reading what a declared length forbids,
    RequestTimeout after 30 s, Disconnected when the client leaves before the last chunk.
    """
    if declared == 0:
        return b""
    if declared is not None and declared > SMALL_BODY_BYTES and declared > limit():
        raise TooLarge("http: request body too large")
    message = await _next(receive, BODY_DEADLINE_SECONDS)
    chunk: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return _checked(chunk, limit)
    return await _read_chunks(receive, chunk, limit)


async def _read_chunks(receive: Receive, first: bytes, limit: Callable[[], int]) -> bytes:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + BODY_DEADLINE_SECONDS
    chunks, size = [first], len(first)
    bound = SMALL_BODY_BYTES
    while True:
        if size > bound:
            bound = limit()
            if size > bound:
                raise TooLarge("http: request body too large")
        message = await _next(receive, deadline - loop.time())
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if not message.get("more_body", False):
            return _checked(b"".join(chunks), limit)


async def _next(receive: Receive, seconds: float) -> Message:
    try:
        message = await asyncio.wait_for(receive(), seconds)
    except TimeoutError:
        raise RequestTimeout("the request's body did not arrive in time") from None
    if message["type"] == "http.disconnect":
        raise Disconnected
    return message


def _checked(body: bytes, limit: Callable[[], int]) -> bytes:
    if len(body) > SMALL_BODY_BYTES and len(body) > limit():
        raise TooLarge("http: request body too large")
    return body
