"""What a seal is: it wraps the keys that open the store, in a way of its own.

Shamir's seal, a static key, another server's transit engine; a cloud's KMS or a PKCS#11 module
would be another module with the same few methods, named in `seals.kinds`.
"""

from typing import Protocol, runtime_checkable

from custody.base.errors import Unavailable
from custody.seals.wrapping import Purpose


class SealUnavailable(Unavailable):
    """The seal's key cannot be asked just now: it may be later."""


class CannotUnseal(Unavailable):
    """The seal's key is there and does not open what is stored: another try would not help."""


class Seal(Protocol):
    """Wraps and unwraps keys."""

    @property
    def kind(self) -> str:
        """The word for it in the configuration."""
        ...

    @property
    def identity(self) -> str:
        """Which key of its kind it uses, where that matters for a migration; no secret."""
        ...

    async def wrap(self, key: bytes, purpose: Purpose) -> bytes:
        """The key as it may be stored. Raises SealUnavailable."""
        ...

    async def unwrap(self, blob: bytes, purpose: Purpose) -> bytes:
        """What `wrap` was given for that purpose. Raises SealUnavailable, CannotUnseal."""
        ...


@runtime_checkable
class Renewing(Protocol):
    """A seal that can tell that a blob was made with a key it no longer wraps with."""

    def outdated(self, blob: bytes) -> bool:
        """Whether `blob` should be wrapped anew."""
        ...


@runtime_checkable
class Keeping(Protocol):
    """A seal that has something to keep alive between two uses, such as a token."""

    async def keep(self) -> float:
        """Do it; the seconds until it is due again. Raises SealUnavailable, CannotUnseal."""
        ...
