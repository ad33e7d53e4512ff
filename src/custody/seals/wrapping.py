"""A key under another key: what Shamir's, the static and the recovery wrapping have in common.

A blob is `version(1) | nonce(12) | ciphertext | tag(16)`: AES-256-GCM (NIST SP 800-38D) under a key
that HKDF-SHA-256 (RFC 5869) derives from the outer key for one seal and one purpose. Both are also
in the associated data, so a blob opens only where it was made for.
"""

from enum import StrEnum

from custody.base.ids import Source
from custody.crypto import aead
from custody.crypto.framing import frame
from custody.crypto.kdf import hkdf

_VERSION = b"\x01"


class Purpose(StrEnum):
    """What is wrapped. These words are in the derivation: never change them."""

    ROOT_KEY = "root key"
    RECOVERY_KEY = "recovery key"
    TRIAL = "trial"


def wrap(seal: bytes, outer: bytes, inner: bytes, purpose: Purpose, source: Source) -> bytes:
    """`inner` under `outer`, for one purpose of the seal that `seal` names."""
    key = _wrapping_key(seal, outer, purpose)
    return _VERSION + aead.encrypt(key, inner, _place(seal, purpose, _VERSION), source)


def unwrap(seal: bytes, outer: bytes, blob: bytes, purpose: Purpose) -> bytes:
    """The key in `blob`. Raises aead.CannotOpen."""
    place = _place(seal, purpose, blob[:1])
    return aead.decrypt(_wrapping_key(seal, outer, purpose), blob[1:], place)


def _wrapping_key(seal: bytes, outer: bytes, purpose: Purpose) -> bytes:
    return hkdf(outer, info=frame(seal, purpose.encode()))


def _place(seal: bytes, purpose: Purpose, version: bytes) -> bytes:
    return frame(seal, f"wrapped {purpose}".encode(), version)
