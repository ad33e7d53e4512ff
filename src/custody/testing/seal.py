"""A KMS in memory: an automatic seal whose key can be out of reach, or gone for good."""

import asyncio

from custody.base.ids import Source, SystemSource
from custody.crypto import aead
from custody.seals import wrapping
from custody.seals.seal import CannotUnseal, SealUnavailable
from custody.seals.wrapping import Purpose

_NAME = b"a KMS in memory"


class MemoryKMS:
    """A `Seal`. `reachable` False: it does not answer; `destroy`: its key is gone for good.

    While it is silent, who asks waits.
    """

    def __init__(
        self, kind: str = "memory", identity: str = "", source: Source | None = None
    ) -> None:
        self.kind = kind
        self.identity = identity
        self.reachable = True
        self.calls = 0
        self.asked = asyncio.Event()  # since it fell silent
        self._speaking = asyncio.Event()
        self._speaking.set()
        self._source = source or SystemSource()
        self._key: bytes | None = self._source.random(aead.KEY_SIZE)

    def destroy(self) -> None:
        """Lose the key."""
        self._key = None

    def fall_silent(self) -> None:
        """Answer nobody until it speaks."""
        self.asked.clear()
        self._speaking.clear()

    def speak(self) -> None:
        """Answer who has waited, and who comes."""
        self._speaking.set()

    async def wrap(self, key: bytes, purpose: Purpose) -> bytes:
        """`key` under this seal's. Raises SealUnavailable, CannotUnseal."""
        return wrapping.wrap(_NAME, await self._ask(), key, purpose, self._source)

    async def unwrap(self, blob: bytes, purpose: Purpose) -> bytes:
        """The key in `blob`. Raises SealUnavailable, CannotUnseal."""
        try:
            return wrapping.unwrap(_NAME, await self._ask(), blob, purpose)
        except aead.CannotOpen as error:
            raise CannotUnseal("this KMS did not wrap what is stored") from error

    async def _ask(self) -> bytes:
        self.calls += 1
        self.asked.set()
        await self._speaking.wait()
        if not self.reachable:
            raise SealUnavailable("the KMS does not answer")
        if self._key is None:
            raise CannotUnseal("the KMS has no such key")
        return self._key
