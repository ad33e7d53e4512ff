"""The stored seal configuration: which seal wraps the root key, and for Shamir how many shares.

It is read while sealed (seal-status shows it) and authenticated once unsealed (barrier.meta).
"""

from custody.base.codec import Record


class SealConfig(Record, frozen=True, kw_only=True):
    """One seal. Raises nothing: `ShamirConfig` says whether the numbers make a split."""

    kind: str = "shamir"
    shares: int
    threshold: int
