"""ES512 signatures in the compact form of JWS (RFC 7515, RFC 7518 section 3.4), with one key.

The key is derived from a secret, so that every process that has the secret signs alike and nothing
is stored. One algorithm and one header are known: whoever verifies compares the header as bytes and
believes no field of it.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA512

SECRET_SIZE: Final = 74  # bytes: 64 bits more than the order (FIPS 186-5, appendix A.2.1)
_ORDER: Final = int(
    "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa"
    "51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
    16,
)
_SIZE: Final = 66  # bytes of a coordinate of P-521
_HEADER: Final = base64.urlsafe_b64encode(b'{"alg":"ES512","typ":"JWT"}').rstrip(b"=")
_HASH: Final = ec.ECDSA(SHA512())


class WrongSignature(Exception):
    """The text was not signed by this key, or is no signed text at all."""


class Signer:
    """Signs and verifies claims under the key that SECRET_SIZE bytes give."""

    __slots__ = ("_private",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) != SECRET_SIZE:
            raise ValueError(f"a key of P-521 is derived from {SECRET_SIZE} bytes")
        number = int.from_bytes(secret, "big") % (_ORDER - 1) + 1
        self._private = ec.derive_private_key(number, ec.SECP521R1())

    @property
    def point(self) -> tuple[int, int]:
        """The public key: x and y."""
        numbers = self._private.public_key().public_numbers()
        return numbers.x, numbers.y

    def sign(self, claims: Mapping[str, Any]) -> str:
        """`header.claims.signature`."""
        signed = _HEADER + b"." + _encoded(msgspec.json.encode(claims))
        r, s = decode_dss_signature(self._private.sign(signed, _HASH))
        signature = r.to_bytes(_SIZE, "big") + s.to_bytes(_SIZE, "big")
        return (signed + b"." + _encoded(signature)).decode()

    def verify(self, text: str) -> Mapping[str, Any]:
        """The claims of a text that `sign` gave. Raises WrongSignature."""
        signed, _, last = text.encode("utf-8", "surrogatepass").rpartition(b".")
        header, _, middle = signed.partition(b".")
        signature = _decoded(last)
        if header != _HEADER or len(signature) != 2 * _SIZE:
            raise WrongSignature
        r, s = (int.from_bytes(half, "big") for half in (signature[:_SIZE], signature[_SIZE:]))
        try:
            self._private.public_key().verify(encode_dss_signature(r, s), signed, _HASH)
        except InvalidSignature:
            raise WrongSignature from None
        try:
            return msgspec.json.decode(_decoded(middle), type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise WrongSignature from None


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise WrongSignature from None
