"""Requests that reach the HTTP server by a relay: who the relay says that their client is.

Whoever else on the machine connects to where the relay connects is told so, and nothing is asked
in its name.
"""

from collections.abc import Mapping
from typing import Final

from custody.http.custom import ASGI, Scope, Send
from custody.http.limits import Receive
from custody.http.response import encode_error

_BAD_REQUEST: Final = 400
_NOBODY: Final = ("", 0)


class Relayed:
    """An application that sees the client in place of the relay's own connection."""

    def __init__(self, app: ASGI, clients: Mapping[tuple[str, int], tuple[str, int]]) -> None:
        """`clients` are those of the relay's open connections, by the address of each."""
        self._app = app
        self._clients = clients

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it with 400."""
        if scope["type"] == "http":
            host, port = scope.get("client") or _NOBODY
            client = self._clients.get((str(host), int(port)))
            if client is None:
                text = "the connection does not come from this listener's relay"
                status, headers, body = encode_error(_BAD_REQUEST, (text,))
                start = {"type": "http.response.start", "status": status, "headers": headers}
                await send(start)
                await send({"type": "http.response.body", "body": body})
                return
            scope["client"] = client
        await self._app(scope, receive, send)
