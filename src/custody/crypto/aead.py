"""AES-256-GCM (NIST SP 800-38D) with a 12-byte random nonce in front of the ciphertext.

For single values such as wrapped keys. Rows go through `custody.barrier.envelope`, which keeps
its cipher objects.
"""

from cryptography.exceptions import InvalidTag as InvalidTag  # noqa: PLC0414 callers of `cipher`
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from custody.base.ids import Source

KEY_SIZE = 32
NONCE_SIZE = 12
TAG_SIZE = 16


class CannotOpen(Exception):
    """The key, the associated data or the bytes are not those that were sealed."""


def cipher(key: bytes) -> AESGCM:
    """The cipher of a 32-byte key. Raises ValueError for any other length."""
    if len(key) != KEY_SIZE:
        raise ValueError(f"an AES-256 key has {KEY_SIZE} bytes, this one {len(key)}")
    return AESGCM(key)


def encrypt(key: bytes, plaintext: bytes, associated: bytes, source: Source) -> bytes:
    """`nonce | ciphertext | tag`; the nonce is drawn from `source`."""
    nonce = source.random(NONCE_SIZE)
    return nonce + cipher(key).encrypt(nonce, plaintext, associated)


def decrypt(key: bytes, sealed: bytes, associated: bytes) -> bytes:
    """The plaintext of what `encrypt` gave. Raises CannotOpen."""
    if len(sealed) < NONCE_SIZE + TAG_SIZE:
        raise CannotOpen("too short")
    try:
        return cipher(key).decrypt(sealed[:NONCE_SIZE], sealed[NONCE_SIZE:], associated)
    except InvalidTag as error:
        raise CannotOpen("authentication failed") from error
