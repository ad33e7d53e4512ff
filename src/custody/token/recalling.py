"""A pass over the tokens that takes away the recalled ones, in steps that may stop anywhere.

How far it is lies in the store and moves in the transaction that takes tokens away, so whoever goes
on neither misses a token nor begins anew. Tokens that are made meanwhile are of a later era.
"""

from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from custody.base.codec import decode, encode
from custody.base.record import Record
from custody.base.store import Rows, StaleDecision, Table, Transaction, bounded
from custody.token import recall
from custody.token.clearing import KEYS_PER_TOKEN
from custody.token.entry import decode_entry
from custody.token.service import revoke

_KEYS_BESIDE: Final = 2  # rows that a step changes: its own, and that of the recalls
_ROW: Final = b"recall"


class Pass(Record, frozen=True, kw_only=True):
    """How far a pass is that does all that was recalled up to `era`."""

    era: int
    after: bytes = b""  # the last row that was looked at
    looked: int = 0
    revoked: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """What a step has to do: which tokens go, and behind which row it ends."""

    found: Pass | None
    begun: Pass
    covered: tuple[bytes, ...]
    looked: int
    last: bytes
    through: bool  # no row is left behind it


@dataclass(frozen=True, slots=True)
class Step:
    """Where a pass stands after a step, and whether that was its last."""

    reached: Pass
    through: bool


def look(rows: Rows, most: int, keys: int) -> Batch | None:
    """The next step: over `most` rows, changing `keys`, at most. None: nothing is recalled."""
    recalls = recall.read(rows)
    if not recalls.waiting:
        return None
    found = _read(rows)
    begun = found or Pass(era=recalls.era)
    page = rows.scan(Table.TOKEN, b"", begun.after, most)
    room = (keys - _KEYS_BESIDE) // KEYS_PER_TOKEN
    covered: list[bytes] = []
    looked, last = 0, begun.after
    for key, data in page:
        if key != recall.PLACE and recalls.cover(decode_entry(data)):
            if len(covered) == room:
                return Batch(found, begun, tuple(covered), looked, last, through=False)
            covered.append(key)
        looked, last = looked + 1, key
    return Batch(found, begun, tuple(covered), looked, last, through=len(page) < most)


def step(txn: Transaction, batch: Batch, now_ns: int) -> Step:
    """Take the batch's tokens away. Raises StaleDecision if another was here."""
    if _read(txn) != batch.found:
        raise StaleDecision("another has gone over the tokens meanwhile")
    done, gone = 0, 0
    for key in bounded(txn, batch.covered):
        done, gone = done + 1, gone + len(revoke(txn, key, now_ns))
    reached = replace(
        batch.begun,
        after=batch.last,
        looked=batch.begun.looked + batch.looked,
        revoked=batch.begun.revoked + gone,
    )
    if done < len(batch.covered):  # they were large
        reached = replace(reached, after=batch.covered[done - 1], looked=batch.begun.looked + done)
    elif batch.through:
        recall.forget(txn, reached.era)
        txn.delete(Table.SETTING, _ROW)
        return Step(reached, through=True)
    txn.put(Table.SETTING, _ROW, encode(reached))
    return Step(reached, through=False)


def _read(rows: Rows) -> Pass | None:
    data = rows.get(Table.SETTING, _ROW)
    return None if data is None else decode(Pass, data)
