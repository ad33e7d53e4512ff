"""Sends a body that is not in memory, a file or pieces as they are made, at the client's pace.

The HTTP server takes a piece when there is room for it on the way to the client. That the client
has gone it does not tell who sends, but who waits to receive: from then on nothing more is read.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from typing import IO, Any, Final

from custody.http.limits import Receive

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Pieces = AsyncGenerator[bytes, None]
_PIECE: Final = 256 * 1024  # bytes of a file
_log = logging.getLogger(__name__)


async def send_body(body: IO[bytes] | Pieces, receive: Receive, send: Send) -> None:
    """Send all of it and close it, or what was sent when the client left.

    Where its end cannot be read the answer stays without its end, which its length tells.
    """
    pieces = body if isinstance(body, AsyncGenerator) else _read(body)
    sending = asyncio.ensure_future(_send(pieces, send))
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, leaving):
            task.cancel()
        ended, _ = await asyncio.gather(sending, leaving, return_exceptions=True)
        await pieces.aclose()
        if isinstance(ended, OSError):
            _log.error("cannot read what is sent: %s", ended.strerror)


async def _send(pieces: Pieces, send: Send) -> None:
    # An answer leaves with the first of its body, which may be long in coming.
    await send({"type": "http.response.body", "body": b"", "more_body": True})
    async for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read(file: IO[bytes]) -> Pieces:
    with file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece
