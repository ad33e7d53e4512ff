"""X-Forwarded-For: who the client is, as a proxy that is believed tells it.

Nothing of the header is believed unless the connection comes from an authorized network: else any
client could choose the address that the audit records show and that tokens are bound to.
"""

import ipaddress
from collections.abc import Sequence
from typing import Final

from custody.base.errors import BadRequest
from custody.http.custom import ASGI, Scope, Send
from custody.http.limits import Receive
from custody.http.response import encode_error

_NAME: Final = b"x-forwarded-for"
_BAD_REQUEST: Final = 400


class ForwardedFor:
    """An application that sees the forwarded client in place of the proxy."""

    def __init__(
        self,
        app: ASGI,
        networks: Sequence[str],
        *,
        hop_skips: int = 0,
        reject_strangers: bool = True,
        reject_absent: bool = True,
    ) -> None:
        """`hop_skips` is how many proxies stand behind the one whose client is meant."""
        self._app = app
        self._networks = [ipaddress.ip_network(text) for text in networks]
        self._hop_skips = hop_skips
        self._reject_strangers = reject_strangers
        self._reject_absent = reject_absent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it with 400."""
        if scope["type"] == "http":
            try:
                self._rewrite(scope)
            except BadRequest as error:
                status, headers, body = encode_error(_BAD_REQUEST, error.messages)
                start = {"type": "http.response.start", "status": status, "headers": headers}
                await send(start)
                await send({"type": "http.response.body", "body": body})
                return
        await self._app(scope, receive, send)

    def _rewrite(self, scope: Scope) -> None:
        values = [value for name, value in scope["headers"] if name == _NAME]
        if not values:
            if self._reject_absent:
                raise BadRequest(
                    "missing x-forwarded-for header and configured to reject when not present"
                )
            return
        host, port = scope.get("client") or ("", 0)
        if not self._authorized(str(host)):
            if self._reject_strangers:
                raise BadRequest(
                    "client address not authorized for x-forwarded-for and configured to reject"
                    " connection"
                )
            return
        scope["client"] = (self._client(values), port)

    def _authorized(self, host: str) -> bool:
        try:
            address = _address(host)
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def _client(self, values: Sequence[bytes]) -> str:
        chain = [part.strip() for part in b",".join(values).decode("latin-1").split(",")]
        index = len(chain) - 1 - self._hop_skips
        if index < 0:
            raise BadRequest(
                f"malformed x-forwarded-for configuration or request, hops to skip"
                f" ({self._hop_skips}) would skip before earliest chain link (chain length"
                f" {len(chain)})"
            )
        try:
            return str(_address(_without_port(chain[index])))
        except ValueError:
            raise BadRequest("x-forwarded-for does not hold an address") from None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address; IPv4 written in IPv6 is IPv4. Raises ValueError."""
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _without_port(text: str) -> str:
    """`1.2.3.4:80` and `[::1]:80` as some proxies write them, less the port."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
