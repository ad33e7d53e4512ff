"""Headers that an operator adds to the answers of a listener, by status."""

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from custody.http.limits import Message, Receive

RESERVED: Final = frozenset(
    ("connection", "content-encoding", "content-length", "content-type", "date", "location",
     "transfer-encoding")
)  # fmt: skip
STATUS: Final = re.compile("default|[1-5]xx|[1-5][0-9]{2}")
Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]


class CustomHeaders:
    """An application whose answers carry more headers, in place of its own of the same name.

    `named` is by `default`, class (`2xx`) or status (`200`); of a header in several of them the
    one nearest to the status wins. Names are in lower case.
    """

    def __init__(self, app: ASGI, named: Mapping[str, Mapping[str, str]]) -> None:
        self._app = app
        self._named = named
        self._made: dict[int, dict[bytes, bytes]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = self._with_ours(message["status"], message["headers"])
            await send(message)

        await self._app(scope, receive, sending)

    def _with_ours(self, status: int, headers: list[Header]) -> list[Header]:
        ours = self._made.get(status)
        if ours is None:
            ours = self._made[status] = self._of(status)
        return [*(line for line in headers if line[0] not in ours), *ours.items()]

    def _of(self, status: int) -> dict[bytes, bytes]:
        merged: dict[str, str] = {}
        for key in ("default", f"{status // 100}xx", str(status)):
            merged |= self._named.get(key, {})
        return {name.encode(): value.encode() for name, value in merged.items()}
