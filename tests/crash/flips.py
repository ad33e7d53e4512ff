"""Single flipped bytes in the rows of a store, and how to take them back."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from custody.base.store import MAX_KEY, RawTransaction, Table
from custody.storage.lmdb import LMDBStore

Rows = dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Flip:
    """One changed byte: the rows that it concerns, before and after (None: no such row)."""

    what: str
    before: dict[bytes, bytes | None]
    after: dict[bytes, bytes | None]


def dump(store: LMDBStore) -> Rows:
    """Every row."""
    with store.snapshot() as rows:
        return dict(rows.scan(b"", b"\xff" * MAX_KEY, 10**6))


def digest(rows: Rows) -> str:
    """What tells whether all rows are the same, less those that come and go (OUTBOX)."""
    kept = [(key, value) for key, value in sorted(rows.items()) if key[0] != Table.OUTBOX]
    return sha256(repr(kept).encode()).hexdigest()


def draw(rows: Rows, part: str, count: int, chance: random.Random) -> Iterator[Flip]:
    """`count` flips in the "value" or the "key" of rows: every table is hit as often as another."""
    tables: dict[int, list[bytes]] = {}
    for key in rows:
        tables.setdefault(key[0], []).append(key)
    numbers = sorted(tables)
    for _ in range(count):
        key = chance.choice(tables[chance.choice(numbers)])
        where = f"{Table(key[0]).name} {key[1:]!r}"
        if part == "value":
            spoilt = flipped(rows[key], chance)
            yield Flip(f"value of {where}", {key: rows[key]}, {key: spoilt})
        else:
            other = flipped(key, chance)
            before = {key: rows[key], other: rows.get(other)}
            yield Flip(f"key of {where}, now {other!r}", before, {key: None, other: rows[key]})


def change(raw: RawTransaction, rows: dict[bytes, bytes | None]) -> None:
    """Make the rows so."""
    for key, value in rows.items():
        if value is None:
            raw.delete(key)
        else:
            raw.put(key, value)


def flipped(data: bytes, chance: random.Random) -> bytes:
    """`data` with one byte changed."""
    place = chance.randrange(len(data))
    byte = data[place] ^ chance.randrange(1, 256)
    return data[:place] + bytes([byte]) + data[place + 1 :]
