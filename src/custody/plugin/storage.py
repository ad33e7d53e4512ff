"""What an engine may store: rows below its own mount, encrypted and bound to their place."""

from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")

MAX_ENGINE_KEY = 502  # bytes: 511 less the table byte and the mount's id


class Storage(Protocol):
    """A mount's rows. In a snapshot, not a transaction, put and delete raise TypeError."""

    def get(self, key: bytes) -> bytes | None:
        """The plaintext under `key`, or None."""
        ...

    def memo(self, key: bytes, decode: Callable[[bytes], T]) -> T | None:
        """`decode` of the plaintext, remembered by (key, ciphertext). Never for secret payloads."""
        ...

    def prefetch(self, key: bytes, decode: Callable[[bytes], object]) -> None:
        """Have what `memo` will give at hand: for `Action.prepare`, on which nothing rests."""
        ...

    def scan(
        self, prefix: bytes, after: bytes = b"", limit: int = 1000
    ) -> list[tuple[bytes, bytes]]:
        """Up to `limit` (key, plaintext) with that prefix and key > prefix + after, in order."""
        ...

    def keys(self, prefix: bytes, after: bytes = b"", limit: int = 1000) -> list[bytes]:
        """As `scan`, keys only; nothing is decrypted."""
        ...

    def put(self, key: bytes, value: bytes) -> None:
        """Set the row."""
        ...

    def put_memo(self, key: bytes, value: bytes, decode: Callable[[bytes], T], decoded: T) -> None:
        """As `put`; `decoded`, which must be what `decode` makes of `value`, spares decoding it.

        Nobody may change `decoded` afterwards: it is what `memo` gives.
        """
        ...

    def delete(self, key: bytes) -> bool:
        """Remove the row; says whether it was there."""
        ...
