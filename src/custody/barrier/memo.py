"""Decoded values remembered by (key, ciphertext): saves decoding, never reading."""

from collections.abc import Callable
from typing import Any

Key = tuple[bytes, Callable[[bytes], Any]]  # raw key, decode
Entry = tuple[bytes, Any]  # ciphertext, decoded value
_ENTRY_BYTES = 400  # what an entry costs beside its ciphertext, measured roughly


class Memo:
    """A map of bounded size; the oldest entries leave first. One thread uses it.

    `entries` maps (raw key, decode) to (ciphertext, value). The reader looks there itself, since
    a call costs as much as the lookup, and trusts an entry only if its ciphertext is the row's.
    Only values that authenticated in their place are put here, or that this process has just
    encrypted for it.
    """

    __slots__ = ("_bytes", "_limit", "entries")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self.entries: dict[Key, Entry] = {}

    def put(self, key: Key, ciphertext: bytes, value: object) -> None:
        """Remember `value`; make room for it."""
        previous = self.entries.pop(key, None)
        if previous is not None:
            self._bytes -= _cost(previous[0])
        self.entries[key] = (ciphertext, value)
        self._bytes += _cost(ciphertext)
        while self._bytes > self._limit and self.entries:
            oldest = self.entries.pop(next(iter(self.entries)))
            self._bytes -= _cost(oldest[0])

    def clear(self) -> None:
        """Forget everything."""
        self.entries.clear()
        self._bytes = 0


def _cost(ciphertext: bytes) -> int:
    # The decoded form of MessagePack takes a few times its bytes in Python objects.
    return 4 * len(ciphertext) + _ENTRY_BYTES
