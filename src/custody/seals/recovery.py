"""The recovery key: beside an automatic seal, the root key is wrapped by a key that people hold.

The key is split among the recovery shares. So its holders can prove themselves (to make a root
token, to rekey, to migrate), and can open the store when the automatic seal is gone for good.
"""

from custody.base.ids import Source
from custody.crypto import aead
from custody.seals import wrapping
from custody.seals.quorum import InvalidKey
from custody.seals.wrapping import Purpose

_NAME = b"custody recovery key v1"


def wrap_root_key(root_key: bytes, recovery_key: bytes, source: Source) -> bytes:
    """The root key under the recovery key."""
    return wrapping.wrap(_NAME, recovery_key, root_key, Purpose.ROOT_KEY, source)


def unwrap_root_key(blob: bytes, recovery_key: bytes) -> bytes:
    """The root key. Raises InvalidKey for a key that shares do not make."""
    try:
        return wrapping.unwrap(_NAME, recovery_key, blob, Purpose.ROOT_KEY)
    except aead.CannotOpen as error:
        raise InvalidKey(
            "recovery key verification failed: recovery key does not match submitted values"
        ) from error
