"""The default seal: the root key under an unseal key that share holders bring together.

With one share of one, the share is the bare unseal key; otherwise shares are Shamir's over
GF(2^8), interchangeable with Vault's.
"""

from custody.base.ids import Source, new_uuid
from custody.crypto import aead, shamir
from custody.seals import wrapping
from custody.seals.config import SHAMIR, Split
from custody.seals.quorum import InvalidKey, Quorum
from custody.seals.wrapping import Purpose

_NAME = b"custody shamir seal v1"


def split_key(key: bytes, split: Split, source: Source) -> list[bytes]:
    """The shares of a 32-byte key; the bare key when there is one."""
    if split.shares == 1:
        return [key]
    return shamir.split(key, split.shares, split.threshold, source)


class ShamirSeal:
    """The seal once the unseal key is known."""

    kind = SHAMIR
    identity = ""

    def __init__(self, unseal_key: bytes, source: Source) -> None:
        self._key = unseal_key
        self._source = source

    async def wrap(self, key: bytes, purpose: Purpose) -> bytes:
        """`key` under the unseal key."""
        return wrapping.wrap(_NAME, self._key, key, purpose, self._source)

    async def unwrap(self, blob: bytes, purpose: Purpose) -> bytes:
        """The key in `blob`. Raises InvalidKey in the words of a server whose shares were wrong."""
        return _unwrap(blob, self._key, purpose)

    def __repr__(self) -> str:
        return "ShamirSeal(…)"


def wrap_root_key(root_key: bytes, unseal_key: bytes, source: Source) -> bytes:
    """The root key under the unseal key."""
    return wrapping.wrap(_NAME, unseal_key, root_key, Purpose.ROOT_KEY, source)


def unwrap_root_key(blob: bytes, unseal_key: bytes) -> bytes:
    """The root key. Raises InvalidKey in the words of a server whose shares were wrong."""
    return _unwrap(blob, unseal_key, Purpose.ROOT_KEY)


def _unwrap(blob: bytes, unseal_key: bytes, purpose: Purpose) -> bytes:
    try:
        return wrapping.unwrap(_NAME, unseal_key, blob, purpose)
    except aead.CannotOpen as error:
        raise InvalidKey(
            "unable to retrieve stored keys: invalid key: failed to decrypt keys from storage: "
            "cipher: message authentication failed"
        ) from error


class UnsealProgress:
    """The shares of an unseal in progress, under a nonce that the first one drew."""

    __slots__ = ("_nonce", "_quorum")

    def __init__(self, split: Split) -> None:
        self._quorum = Quorum(split)
        self._nonce = ""

    @property
    def split(self) -> Split:
        """What the shares are collected for."""
        return self._quorum.split

    @property
    def nonce(self) -> str:
        """The attempt's UUID; empty before the first share."""
        return self._nonce

    @property
    def count(self) -> int:
        """How many distinct shares are there."""
        return self._quorum.count

    def add(self, share: bytes, source: Source) -> int:
        """Takes a share unless it was brought before; the count so far. Raises InvalidKey."""
        if self._quorum.add(share):
            self._nonce = self._nonce or new_uuid(source)
        return self._quorum.count

    def unseal_key(self) -> bytes | None:
        """The key once the threshold is met, else None; meeting it ends the attempt.

        Whether the key is right is seen when it unwraps. Raises InvalidKey for shares that cannot
        belong together.
        """
        if not self._quorum.met:
            return None
        try:
            return self._quorum.key()
        finally:
            self.reset()

    def reset(self) -> None:
        """Forgets the shares and the nonce."""
        self._nonce = ""
        self._quorum.reset()

    def __repr__(self) -> str:
        return f"UnsealProgress({self._quorum!r}, nonce={self._nonce!r})"
