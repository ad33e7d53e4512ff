"""HKDF with SHA-256 (RFC 5869): keys for distinct purposes from one secret."""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def hkdf(secret: bytes, *, info: bytes, salt: bytes = b"", size: int = 32) -> bytes:
    """`size` bytes (at most 8,160) bound to `info`; an empty salt is 32 zero bytes, as in the RFC.

    `secret` must be uniformly random or hold at least as much entropy as the caller relies on.
    """
    return HKDF(SHA256(), size, salt or None, info).derive(secret)
