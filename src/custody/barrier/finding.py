"""What a check of stored rows found wrong."""

from dataclasses import dataclass
from typing import Self

from custody.base.store import (
    Tampered,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A damaged row, or (with an empty key) a table whose rows are not those that were counted."""

    table: str
    key: bytes
    reason: str

    @classmethod
    def of(cls, error: Tampered) -> Self:
        """The finding that an exception is about."""
        return cls(error.table, error.key, error.reason)
