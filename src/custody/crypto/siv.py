"""AES-SIV (RFC 5297) with a 512-bit key: authenticated encryption that asks for no nonce.

The same plaintext gives the same ciphertext, so whoever needs to hide that two are alike puts
something random in. In return there is no nonce that could be used twice, and no count of messages
to keep: right for values that are made by many processes and stored by none.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from custody.crypto.aead import CannotOpen

KEY_SIZE = 64
_TAG_SIZE = 16


class SIV:
    """The cipher of a 64-byte key, for one kind of value: `place` is authenticated with each."""

    __slots__ = ("_cipher", "_place")

    def __init__(self, key: bytes, place: bytes) -> None:
        if len(key) != KEY_SIZE:
            raise ValueError(f"a key of AES-256-SIV has {KEY_SIZE} bytes, this one {len(key)}")
        self._cipher = AESSIV(key)
        self._place = [place]

    def encrypt(self, plaintext: bytes) -> bytes:
        """`tag | ciphertext`."""
        return self._cipher.encrypt(plaintext, self._place)

    def decrypt(self, sealed: bytes) -> bytes:
        """The plaintext of what `encrypt` gave. Raises CannotOpen."""
        if len(sealed) <= _TAG_SIZE:
            raise CannotOpen("too short")
        try:
            return self._cipher.decrypt(sealed, self._place)
        except InvalidTag:
            raise CannotOpen("authentication failed") from None
