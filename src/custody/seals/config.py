"""The stored seal configuration: which seal wraps the root key, and into how many shares a key is
split: the unseal key under Shamir's seal, the recovery key under every other.

It is read while sealed (seal-status shows it) and authenticated once unsealed (barrier.meta).
"""

from dataclasses import dataclass

from custody.base.errors import BadRequest
from custody.base.record import Record
from custody.crypto import shamir

SHAMIR = "shamir"


@dataclass(frozen=True, slots=True)
class Split:
    """How many shares there are and how many of them make the key.

    Raises BadRequest with Vault's reason, without the words that a ceremony puts before it.
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


class SealConfig(Record, frozen=True, kw_only=True):
    """One seal. Under an automatic seal without recovery shares both numbers are 0."""

    kind: str = SHAMIR
    shares: int
    threshold: int
    identity: str = ""  # which key of that kind; no secret

    @property
    def automatic(self) -> bool:
        """Whether it opens without share holders."""
        return self.kind != SHAMIR

    @property
    def split(self) -> Split:
        """The shares that people hold. Raises BadRequest where there are none."""
        return Split(self.shares, self.threshold)
