"""HMAC-SHA256 (RFC 2104, FIPS 198-1): making and checking."""

import hmac

SIZE = 32


class WrongMAC(Exception):
    """The bytes were not authenticated by this key."""


def mac(key: bytes, data: bytes) -> bytes:
    """The 32-byte HMAC-SHA256 of `data`."""
    return hmac.digest(key, data, "sha256")


def verify(key: bytes, data: bytes, expected: bytes) -> None:
    """Raises WrongMAC unless `expected` is the MAC of `data`; compares in constant time."""
    if not hmac.compare_digest(mac(key, data), expected):
        raise WrongMAC("authentication failed")
