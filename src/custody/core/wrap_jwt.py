"""Wrapping tokens in the form of a JWT, for clients that want to check who made one.

The token itself is the claim `jti`. The key is derived from the keyring, so nothing is stored, and
its public half stands at `sys/wrapping/pubkey`.
"""

from typing import Final

from custody.barrier.barrier import Barrier
from custody.base.clock import NANOSECOND
from custody.crypto.jws import SECRET_SIZE, Signer, WrongSignature

START: Final = "eyJ"  # of every JWT, and of no token of ours
MAX_LENGTH: Final = 4096
_SKEW: Final = 5  # seconds by which clocks may differ


class WrappingKey:
    """Makes and reads such texts, under the keyring that is installed."""

    __slots__ = ("_barrier", "_signer")

    def __init__(self, barrier: Barrier) -> None:
        self._barrier = barrier
        self._signer: Signer | None = None

    def write(self, token: str, accessor: str, address: str, now_ns: int, ttl: int) -> str:
        """The JWT that carries `token`; `accessor` is that of a token which it holds, if any."""
        now = now_ns // NANOSECOND
        claims = {
            "accessor": accessor,
            "addr": address,
            "exp": now + ttl,
            "iat": now,
            "jti": token,
            "nbf": now - _SKEW,
            "type": "wrapping",
        }
        return self._current().sign(claims)

    def read(self, text: str) -> str | None:
        """The token that a text carries, or None where it is no such text. Raises Sealed.

        Its times are not looked at: those of the token itself count.
        """
        if not text.startswith(START) or len(text) > MAX_LENGTH:
            return None
        try:
            claims = self._current().verify(text)
        except WrongSignature:
            return None
        token = claims.get("jti")
        return token if claims.get("type") == "wrapping" and isinstance(token, str) else None

    def token_in(self, text: str) -> str:
        """The token that a text carries, or the text itself where it is no such text."""
        return self.read(text) or text

    def public(self) -> tuple[int, int]:
        """The public key: x and y on P-521. Raises Sealed."""
        return self._current().point

    def _current(self) -> Signer:
        """The signer: the secret of a keyring never changes, so it is made once."""
        keyring = self._barrier.keyring  # raises Sealed
        if self._signer is None:
            self._signer = Signer(keyring.derive("wrapping token signature", SECRET_SIZE))
        return self._signer
