"""Recalls: all tokens that requests to a path have made are refused at once, and cleared later.

Tokens are not kept by path. One row, in the table of tokens, says which paths were recalled; each
token carries the era that it was made in, and a recall begins a new one. So a token falls under a
recall where its path is at or below that one's and its era is before it, whatever the clocks say.
Whoever asks whether a token is good reads that row too (`service.find`), and holds what it decided
only as long as the row stays. A pass over the table takes the rows of such tokens away, in bounded
steps that may stop anywhere; what lies below those tokens goes as it does when they are revoked.
Once a pass that has begun after a recall is through, that recall is forgotten.

The row is there from a store's first commit on: a token of a later era than 0 that finds none
knows that it is missing.
"""

from typing import Final

import msgspec
from msgspec.structs import replace

from custody.base.codec import decode, encode
from custody.base.errors import Unavailable
from custody.base.record import Record
from custody.base.store import Rows, Table, Tampered, Transaction
from custody.token.entry import ROOT_PATH, TokenEntry

PLACE: Final = b"recalls"  # no hash is that short
MAX_RECALLS: Final = 64  # that wait for a pass
_BUSY: Final = f"{MAX_RECALLS} recalls of tokens wait to be cleared; try again later"


class Recall(msgspec.Struct, frozen=True):
    """Tokens of an era before this one, made at or below a path (no slash at its end)."""

    path: str
    era: int

    def covers(self, entry: TokenEntry) -> bool:
        """Whether the token is recalled. The first root token, and those of a quorum, never are."""
        if entry.era >= self.era or entry.path == ROOT_PATH:
            return False
        return _within(entry.path, self.path)


class Recalls(Record, frozen=True, kw_only=True):
    """The present era, and the recalls that tokens may still fall under."""

    era: int = 0
    waiting: tuple[Recall, ...] = ()

    def cover(self, entry: TokenEntry) -> bool:
        """Whether one of them covers the token."""
        return any(recall.covers(entry) for recall in self.waiting)


_NONE: Final = Recalls()


def read(rows: Rows) -> Recalls:
    """What is recalled now."""
    return rows.memo(Table.TOKEN, PLACE, _decode) or _NONE


def missing() -> Tampered:
    """What to raise where a token is of a later era than the row: it cannot be the newest."""
    return Tampered(Table.TOKEN.name, PLACE, "the row of recalls is missing, or an older one")


def seed(txn: Transaction) -> None:
    """Write the row into a new store."""
    txn.put(Table.TOKEN, PLACE, encode(Recalls(era=1)))


def rows_beside(rows: Rows) -> int:
    """How many rows of the table of tokens are no tokens."""
    return int(rows.get(Table.TOKEN, PLACE) is not None)


def begin(txn: Transaction, path: str) -> None:
    """Recall all tokens that were made at or below `path` up to now. Raises Unavailable."""
    before = read(txn)
    era = before.era + 1
    kept = tuple(recall for recall in before.waiting if not _within(recall.path, path))
    if len(kept) >= MAX_RECALLS:
        raise Unavailable(_BUSY)
    recalls = replace(before, era=era, waiting=(*kept, Recall(path, era)))
    txn.put(Table.TOKEN, PLACE, encode(recalls))


def forget(txn: Transaction, era: int) -> None:
    """Take away the recalls up to `era`: no token is left that they cover."""
    recalls = read(txn)
    waiting = tuple(each for each in recalls.waiting if each.era > era)
    txn.put(Table.TOKEN, PLACE, encode(replace(recalls, waiting=waiting)))


def _decode(data: bytes) -> Recalls:
    return decode(Recalls, data)


def _within(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")
