"""The default seal: the root key under an unseal key that share holders bring together.

Holds no state but the shares of an unseal in progress. With one share of one, the share is the
bare unseal key; otherwise shares are Shamir's over GF(2^8), interchangeable with Vault's.
"""

import hmac
from dataclasses import dataclass

from custody.base.errors import BadRequest
from custody.base.ids import Source, new_uuid
from custody.crypto import aead, shamir
from custody.crypto.framing import frame
from custody.crypto.kdf import hkdf

MIN_SHARE = 16
MAX_SHARE = aead.KEY_SIZE + 1
_INFO = b"custody shamir seal v1"
_VERSION = b"\x01"


class InvalidKey(BadRequest):
    """The share or the recovered key is not right: 400."""


@dataclass(frozen=True, slots=True)
class ShamirConfig:
    """How many shares there are and how many unseal.

    Raises BadRequest with Vault's reason, without the words that init puts before it.
    """

    shares: int
    threshold: int

    def __post_init__(self) -> None:
        if self.shares < 1:
            raise BadRequest("shares must be at least one")
        if self.threshold < 1:
            raise BadRequest("threshold must be at least one")
        if self.shares > 1 and self.threshold == 1:
            raise BadRequest("threshold must be greater than one for multiple shares")
        if self.shares > shamir.MAX_SHARES:
            raise BadRequest(f"shares must be less than {shamir.MAX_SHARES + 1}")
        if self.threshold > shamir.MAX_SHARES:
            raise BadRequest(f"threshold must be less than {shamir.MAX_SHARES + 1}")
        if self.threshold > self.shares:
            raise BadRequest("threshold cannot be larger than shares")


def split_unseal_key(key: bytes, config: ShamirConfig, source: Source) -> list[bytes]:
    """The shares of a 32-byte unseal key; the bare key when there is one."""
    if config.shares == 1:
        return [key]
    return shamir.split(key, config.shares, config.threshold, source)


def wrap_root_key(root_key: bytes, unseal_key: bytes, source: Source) -> bytes:
    """The root key encrypted under the unseal key, bound to this purpose."""
    return _VERSION + aead.encrypt(_wrapping_key(unseal_key), root_key, _place(_VERSION), source)


def unwrap_root_key(blob: bytes, unseal_key: bytes) -> bytes:
    """The root key. Raises InvalidKey in the words of a server whose shares were wrong."""
    try:
        return aead.decrypt(_wrapping_key(unseal_key), blob[1:], _place(blob[:1]))
    except aead.CannotOpen as error:
        raise InvalidKey(
            "unable to retrieve stored keys: invalid key: failed to decrypt keys from storage: "
            "cipher: message authentication failed"
        ) from error


class UnsealProgress:
    """The shares brought so far, under a nonce that the first one drew."""

    __slots__ = ("_config", "_nonce", "_shares")

    def __init__(self, config: ShamirConfig) -> None:
        self._config = config
        self._nonce = ""
        self._shares: list[bytes] = []

    @property
    def config(self) -> ShamirConfig:
        """What the shares are collected for."""
        return self._config

    @property
    def nonce(self) -> str:
        """The attempt's UUID; empty before the first share."""
        return self._nonce

    @property
    def count(self) -> int:
        """How many distinct shares are there."""
        return len(self._shares)

    def add(self, share: bytes, source: Source) -> int:
        """Takes a share unless it was brought before; the count so far. Raises InvalidKey."""
        _check_length(share)
        if not any(hmac.compare_digest(share, known) for known in self._shares):
            self._nonce = self._nonce or new_uuid(source)
            self._shares.append(share)
        return len(self._shares)

    def unseal_key(self) -> bytes | None:
        """The key once the threshold is met, else None; meeting it ends the attempt.

        Whether the key is right is seen when it unwraps. Raises InvalidKey for shares that cannot
        belong together.
        """
        if len(self._shares) < self._config.threshold:
            return None
        shares = self._shares
        self.reset()
        if self._config.threshold == 1:
            return shares[0]
        try:
            return shamir.combine(shares)
        except shamir.WrongShares as error:
            raise InvalidKey(f"failed to compute combined key: {error}") from error

    def reset(self) -> None:
        """Forgets the shares and the nonce."""
        self._nonce = ""
        self._shares = []

    def __repr__(self) -> str:
        return f"UnsealProgress({self.count} of {self._config.threshold}, nonce={self._nonce!r})"


def _check_length(share: bytes) -> None:
    if len(share) < MIN_SHARE:
        raise InvalidKey(f"invalid key: key is shorter than minimum {MIN_SHARE} bytes")
    if len(share) > MAX_SHARE:
        raise InvalidKey(f"invalid key: key is longer than maximum {MAX_SHARE} bytes")


def _wrapping_key(unseal_key: bytes) -> bytes:
    return hkdf(unseal_key, info=frame(_INFO, b"root key"))


def _place(version: bytes) -> bytes:
    return frame(_INFO, b"wrapped root key", version)
