"""OpenPGP (RFC 4880, RFC 9580): encryption to a holder's public key, by the Sequoia library.

Nothing is signed and nothing is decrypted here: what leaves is for its holder alone.
"""

import base64
import binascii

from pysequoia import Cert, encrypt

MAX_KEY = 64 * 1024  # bytes of a public key


class BadKey(Exception):
    """The text is no public key that can be encrypted to; says why in words for its sender."""


class PublicKey:
    """One holder's public key."""

    __slots__ = ("_cert",)

    def __init__(self, text: str) -> None:
        """From the base64 of the key in binary. Raises BadKey."""
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise BadKey("error decoding given PGP key: illegal base64 data") from None
        if not data or len(data) > MAX_KEY:
            raise BadKey(f"error parsing given PGP key: not 1 to {MAX_KEY} bytes")
        try:
            self._cert = Cert.from_bytes(data)
        except Exception as error:
            raise BadKey("error parsing given PGP key: not an OpenPGP public key") from error
        self.encrypt(b"")  # a key that is expired, revoked or only signs shows now, not too late

    @property
    def fingerprint(self) -> str:
        """The primary key's fingerprint, lower-case hex."""
        return self._cert.fingerprint

    def encrypt(self, data: bytes) -> bytes:
        """`data` as a binary OpenPGP message. Raises BadKey for a key that does not encrypt."""
        try:
            return encrypt(data, recipients=[self._cert], armor=False)
        except Exception as error:
            raise BadKey("error encrypting to given PGP key: it cannot be encrypted to") from error
