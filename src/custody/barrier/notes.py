"""Notes that the jobs of a commit leave behind: rows of OUTBOX that hold several each."""

from typing import Final

from custody.base.ids import Source
from custody.base.record import Record

_ORIGIN: Final = 8  # bytes


class RowIds:
    """What rows of notes are kept under: a random origin of this process's (8), their number (8).

    So they lie side by side, where rows of random keys would each be on a page of their own.
    """

    __slots__ = ("_number", "_origin")

    def __init__(self) -> None:
        self._origin = b""
        self._number = 0

    def next(self, source: Source) -> bytes:
        """One that was never used."""
        if not self._number:
            self._origin = source.random(_ORIGIN)
        self._number += 1
        return self._origin + self._number.to_bytes(8, "big")


class Notes(Record, frozen=True, kw_only=True):
    """What lies under a slip's key: a note of each job that left one, in their order."""

    notes: list[bytes]
