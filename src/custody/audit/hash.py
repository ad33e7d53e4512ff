"""Owns what an audit record hides: every text under a device's key, as HMAC-SHA-256.

Null and the keys of maps stay clear, and so do numbers and booleans, as in Vault; but not where a
route says that they are secret: there each is hashed as the text that it is in JSON. The hash of a
text is the same wherever it stands, so an operator who knows a value can ask sys/audit-hash and
search for it.
"""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from custody.base.secret import Secret
from custody.crypto.mac import Authenticator

PREFIX: Final = "hmac-sha256:"
MAX_DEPTH: Final = 64  # levels of maps and lists; what lies deeper is cut, and the record says so
TOO_DEEP: Final = "custody: deeper than 64 levels"
_INT64: Final = 2**63
_NONE: Final[frozenset[str]] = frozenset()


class Hasher:
    """Hashes under one device's key."""

    __slots__ = ("_empty", "_mac")

    def __init__(self, key: bytes) -> None:
        self._mac = Authenticator(key).mac
        self._empty = PREFIX + self._mac(b"").hex()

    def digest(self, data: bytes) -> bytes:
        """32 bytes that stand for `data` and tell nothing of it."""
        return self._mac(data)

    def text(self, value: str | bytes) -> str:
        """`hmac-sha256:` and the hexadecimal HMAC (RFC 2104) of `value` in UTF-8."""
        if not value:
            return self._empty
        data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        return PREFIX + self._mac(data).hex()

    def fields(
        self,
        data: Mapping[str, object],
        clear: Collection[str] = _NONE,
        numbers: Collection[str] | None = None,
    ) -> object:
        """`data` with every text in it hashed, except under the top-level names in `clear`.

        Numbers stay clear under the names in `numbers`; None: everywhere.
        """
        if not clear and numbers is None:
            return self._walk(data, MAX_DEPTH)
        return {
            name: legible(value)
            if name in clear
            else self._walk(value, MAX_DEPTH - 1, hide=numbers is not None and name not in numbers)
            for name, value in data.items()
        }

    def _walk(self, value: object, depth: int, *, hide: bool = False) -> object:
        """One value; leaves of the commonest kinds are seen to by their parents, without a call."""
        kind = type(value)
        if kind is str:
            return self.text(value)  # type: ignore[arg-type]  # `kind` is str
        if value is None or kind is bool or kind is float:
            return self.text(msgspec.json.encode(value)) if hide and value is not None else value
        if depth == 0 and isinstance(value, dict | list | tuple):
            return TOO_DEEP
        if isinstance(value, dict):
            text, walk = self.text, self._walk
            return {
                name: text(child)
                if type(child) is str
                else None
                if child is None
                else walk(child, depth - 1, hide=hide)
                for name, child in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._walk(child, depth - 1, hide=hide) for child in value]
        return self._rare(value, depth, hide=hide)

    def _rare(self, value: object, depth: int, *, hide: bool) -> object:
        if isinstance(value, int):
            return self.text(str(value)) if hide else _number(value)
        if isinstance(value, bytes):
            return self.text(value)
        if isinstance(value, Secret):
            return self.text(value.reveal())
        return self._walk(_plain(value), depth, hide=hide)


def legible(value: object, depth: int = MAX_DEPTH) -> object:
    """`value` as it may be encoded, with nothing hashed and its depth bounded."""
    if depth == 0 and isinstance(value, dict | list | tuple):
        return TOO_DEEP
    if isinstance(value, dict):
        return {name: legible(child, depth - 1) for name, child in value.items()}
    if isinstance(value, list | tuple):
        return [legible(child, depth - 1) for child in value]
    return _legible_leaf(value, depth)


def _legible_leaf(value: object, depth: int) -> object:
    if value is None or isinstance(value, str | float):
        return value
    if isinstance(value, int):
        return _number(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    plain = value.reveal() if isinstance(value, Secret) else _plain(value)
    return legible(plain, depth)


def _number(value: int) -> int | float:
    """`value`, or the nearest float where JSON encoders end."""
    if -_INT64 <= value < 2 * _INT64:
        return value
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _plain(value: object) -> object:
    """A struct, a mapping or encoded JSON as plain maps and lists. Raises TypeError."""
    if isinstance(value, msgspec.Raw):
        return msgspec.json.decode(value)
    if isinstance(value, Mapping):
        return dict(value)
    return msgspec.to_builtins(value)
