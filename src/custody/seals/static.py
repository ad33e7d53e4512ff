"""A static key from the configuration: the store opens by itself wherever the key is at hand.

A blob is `version(1) | length of the id(1) | id | wrapped key`, the id bound to what it precedes. A
previous key goes on opening what it wrapped; nothing new is wrapped by it.
"""

from collections.abc import Mapping
from types import MappingProxyType

from custody.base.ids import Source
from custody.crypto import aead
from custody.crypto.framing import frame
from custody.seals import wrapping
from custody.seals.seal import CannotUnseal
from custody.seals.wrapping import Purpose

KIND = "static"
MAX_ID = 255  # bytes
_VERSION = 1
_NAME = b"custody static seal v1"


class StaticSeal:
    """A `Seal` that needs nobody. `keys` are by id; the current one wraps."""

    kind = KIND
    identity = ""  # an id changes with each new key, and is no reason for a migration

    def __init__(self, current: str, keys: Mapping[str, bytes], source: Source) -> None:
        """Raises ValueError for an id or a key of impossible length."""
        if not all(0 < len(name.encode()) <= MAX_ID for name in keys):
            raise ValueError(f"the id of a key has 1 to {MAX_ID} bytes")
        if not all(len(key) == aead.KEY_SIZE for key in keys.values()):
            raise ValueError(f"a key has {aead.KEY_SIZE} bytes")
        self._current = current.encode()
        self._keys = MappingProxyType({name.encode(): key for name, key in keys.items()})
        self._source = source

    async def wrap(self, key: bytes, purpose: Purpose) -> bytes:
        """`key` under the current key."""
        name = self._current
        wrapped = wrapping.wrap(_place(name), self._keys[name], key, purpose, self._source)
        return bytes([_VERSION, len(name)]) + name + wrapped

    async def unwrap(self, blob: bytes, purpose: Purpose) -> bytes:
        """The key in `blob`. Raises CannotUnseal."""
        name = _name_in(blob)
        key = self._keys.get(name)
        if key is None:
            raise CannotUnseal(f"no key of the id {name.decode(errors='replace')!r} is configured")
        try:
            return wrapping.unwrap(_place(name), key, blob[2 + len(name) :], purpose)
        except aead.CannotOpen as error:
            raise CannotUnseal("the static key does not open what is stored") from error

    def outdated(self, blob: bytes) -> bool:
        """Whether another key than the current one wrapped it."""
        return _name_in(blob) != self._current

    def __repr__(self) -> str:
        return f"StaticSeal({self._current.decode()!r})"


def _name_in(blob: bytes) -> bytes:
    if len(blob) < 2 or blob[0] != _VERSION:  # noqa: PLR2004 - version and length
        raise CannotUnseal("what is stored was not wrapped by a static key")
    return blob[2 : 2 + blob[1]]


def _place(name: bytes) -> bytes:
    return frame(_NAME, name)
