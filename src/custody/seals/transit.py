"""Another server's transit engine as the seal: a key that never leaves it opens this store.

The other server sees neither the root key nor what it is for: it wraps a key made for one blob, and
that wraps what is to be kept. A blob is `version(1) | length(2) | ciphertext of the transit engine
| wrapped key`, the ciphertext bound to what it precedes.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from custody.base.ids import Source
from custody.base.json_client import JSONAnswer, JSONClient, NoAnswer
from custody.base.secret import Secret
from custody.crypto import aead
from custody.crypto.framing import frame
from custody.seals import wrapping
from custody.seals.seal import CannotUnseal, SealUnavailable
from custody.seals.wrapping import Purpose

KIND: Final = "transit"
TIMEOUT: Final = 10.0  # seconds for each step of a request
_VERSION: Final = 1
_NAME: Final = b"custody transit seal v1"
_OK: Final = 200
_BAD_REQUEST: Final = 400
_HEADER: Final = 3  # bytes before the ciphertext
_UNLIMITED: Final = 3600.0  # seconds until we look again at a token that does not expire
_SHARE: Final = 2 / 3  # of its life after which a token is renewed
_SHORTEST: Final = 1.0


@dataclass(frozen=True, slots=True)
class TransitKey:
    """Where the key is, and who asks."""

    address: str
    mount: str
    name: str
    token: Secret[str]
    namespace: str = ""
    renew: bool = True

    @property
    def identity(self) -> str:
        """Which key it is."""
        return "|".join((self.address.rstrip("/"), self.namespace, self.mount, self.name))


class TransitSeal:
    """A `Seal`, and a `Keeping` one: it keeps its token alive."""

    kind = KIND

    def __init__(self, key: TransitKey, client: JSONClient, source: Source) -> None:
        self.identity = key.identity
        self._key = key
        self._client = client
        self._source = source

    async def wrap(self, key: bytes, purpose: Purpose) -> bytes:
        """`key` under one that the other server wraps. Raises SealUnavailable."""
        outer = self._source.random(aead.KEY_SIZE)
        sent = {"plaintext": base64.b64encode(outer).decode()}
        text = (await self._ask("encrypt", sent)).get("ciphertext")
        if not isinstance(text, str) or not 0 < len(text) < 1 << 16 or not text.isascii():
            raise SealUnavailable("the transit server answered something else")
        ciphertext = text.encode()
        wrapped = wrapping.wrap(_place(ciphertext), outer, key, purpose, self._source)
        return bytes([_VERSION]) + len(ciphertext).to_bytes(2, "big") + ciphertext + wrapped

    async def unwrap(self, blob: bytes, purpose: Purpose) -> bytes:
        """The key in `blob`. Raises SealUnavailable, CannotUnseal."""
        ciphertext, wrapped = _split(blob)
        plaintext = (await self._ask("decrypt", {"ciphertext": ciphertext.decode()})).get(
            "plaintext"
        )
        try:
            outer = base64.b64decode(plaintext if isinstance(plaintext, str) else "", validate=True)
            return wrapping.unwrap(_place(ciphertext), outer, wrapped, purpose)
        except (binascii.Error, ValueError, aead.CannotOpen) as error:
            raise CannotUnseal("the transit key does not open what is stored") from error

    async def keep(self) -> float:
        """Renew the token; seconds until that is due again. Raises SealUnavailable."""
        if not self._key.renew:
            return _UNLIMITED
        found = _part(await self._call("GET", "auth/token/lookup-self"), "data")
        if not found.get("renewable") or not found.get("ttl"):
            return _UNLIMITED
        renewed = await self._call("PUT", "auth/token/renew-self", {})
        life = _part(renewed, "auth").get("lease_duration")
        return max(_SHORTEST, _SHARE * life) if isinstance(life, int) else _SHORTEST

    async def _ask(self, verb: str, body: dict[str, str]) -> Mapping[str, Any]:
        path = f"{self._key.mount}/{verb}/{quote(self._key.name, safe='')}"
        return _part(await self._call("PUT", path, body), "data")

    async def _call(self, method: str, path: str, body: object = None) -> JSONAnswer:
        headers = {"X-Vault-Token": self._key.token.reveal(), "X-Vault-Request": "true"}
        if self._key.namespace:
            headers["X-Vault-Namespace"] = self._key.namespace
        try:
            answer = await self._client.send(method, f"v1/{path}", headers, body)
        except NoAnswer as error:
            raise SealUnavailable(
                "the transit server cannot be reached", f"{self._key.address}: {error}"
            ) from None
        if answer.status == _BAD_REQUEST:
            raise CannotUnseal("the transit server refuses the key or the ciphertext (400)")
        if answer.status != _OK:
            raise SealUnavailable(f"the transit server answered {answer.status}")
        return answer

    def __repr__(self) -> str:
        return f"TransitSeal({self.identity!r})"


def _part(answer: JSONAnswer, name: str) -> Mapping[str, Any]:
    """The object under `name`; empty where something else is."""
    found = answer.body.get(name)
    return found if isinstance(found, dict) else {}


def _split(blob: bytes) -> tuple[bytes, bytes]:
    if len(blob) < _HEADER or blob[0] != _VERSION:
        raise CannotUnseal("what is stored was not wrapped by a transit key")
    end = _HEADER + int.from_bytes(blob[1:_HEADER], "big")
    ciphertext = blob[_HEADER:end]
    if not ciphertext.isascii():
        raise CannotUnseal("what is stored was not wrapped by a transit key")
    return ciphertext, blob[end:]


def _place(ciphertext: bytes) -> bytes:
    return frame(_NAME, ciphertext)
