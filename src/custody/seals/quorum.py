"""The shares that people bring, until there are enough of them to make a key."""

import hmac

from custody.base.errors import BadRequest
from custody.crypto import aead, shamir
from custody.seals.config import Split

MIN_SHARE = 16
MAX_SHARE = aead.KEY_SIZE + 1


class InvalidKey(BadRequest):
    """A share or the key that shares made is not right: 400."""


class Quorum:
    """Distinct shares of one split key. Holds nothing else, and shows nothing of them."""

    __slots__ = ("_shares", "_split")

    def __init__(self, split: Split) -> None:
        self._split = split
        self._shares: list[bytes] = []

    @property
    def split(self) -> Split:
        """What the shares are collected for."""
        return self._split

    @property
    def count(self) -> int:
        """How many distinct shares are there."""
        return len(self._shares)

    @property
    def met(self) -> bool:
        """Whether there are enough."""
        return len(self._shares) >= self._split.threshold

    def is_last(self, share: bytes) -> bool:
        """Whether this is the share that came last: its bearer may ask for the answer again."""
        return bool(self._shares) and hmac.compare_digest(share, self._shares[-1])

    def add(self, share: bytes) -> bool:
        """Take a share; says whether it is new. Raises InvalidKey for an impossible length."""
        if len(share) < MIN_SHARE:
            raise InvalidKey(f"invalid key: key is shorter than minimum {MIN_SHARE} bytes")
        if len(share) > MAX_SHARE:
            raise InvalidKey(f"invalid key: key is longer than maximum {MAX_SHARE} bytes")
        if any(hmac.compare_digest(share, known) for known in self._shares):
            return False
        self._shares.append(share)
        return True

    def key(self) -> bytes:
        """What the shares make; only what it opens tells whether it is right.

        Raises InvalidKey for shares that cannot belong together, and begins to collect anew.
        """
        if self._split.threshold == 1:
            return self._shares[0]
        try:
            return shamir.combine(self._shares)
        except shamir.WrongShares as error:
            self.reset()
            raise InvalidKey(f"failed to compute combined key: {error}") from error

    def reset(self) -> None:
        """Forget the shares."""
        self._shares = []

    def __repr__(self) -> str:
        return f"Quorum({self.count} of {self._split.threshold})"
