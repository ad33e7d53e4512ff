"""Rows that an older key of the keyring encrypted: found by the head of their envelope."""

from typing import NamedTuple

from custody.barrier.envelope import HEADER_SIZE, SCOPE_SIZE
from custody.barrier.rows import LOGGED, after_key
from custody.base.store import RawRows, Table

_TERM = slice(1 + SCOPE_SIZE, HEADER_SIZE)
TABLES = tuple(sorted(LOGGED))


class Aged(NamedTuple):
    """One batch of a table: the keys of rows that an older term encrypted, how many rows were
    read, and the last key read; None when the table has no more."""

    keys: list[bytes]
    read: int
    last: bytes | None


def aged(raw: RawRows, table: Table, after: bytes, below: int, limit: int) -> Aged:
    """Of the `limit` rows behind the key `after`, those encrypted under terms before `below`."""
    start = after_key(bytes([table]) + after) if after else bytes([table])
    rows = raw.scan(start, bytes([table + 1]), limit)
    keys = [place[1:] for place, row in rows if int.from_bytes(row[_TERM], "big") < below]
    return Aged(keys, len(rows), rows[-1][0][1:] if len(rows) == limit else None)
