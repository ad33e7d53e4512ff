"""Rows that an older key of the keyring encrypted: found by the head of their envelope."""

from typing import NamedTuple

from custody.barrier.envelope import HEADER_SIZE, SCOPE_SIZE
from custody.barrier.rows import LOGGED, after_key
from custody.base.store import MAX_BATCH_BYTES, RawRows, Table

_TERM = slice(1 + SCOPE_SIZE, HEADER_SIZE)
TABLES = tuple(sorted(LOGGED))
_AT_ONCE = 16  # rows in memory: with the largest of values they still are some megabytes


class Aged(NamedTuple):
    """One batch of a table: the keys of rows that an older term encrypted, how many rows were
    read, and the last key read; None when the table has no more."""

    keys: list[bytes]
    read: int
    last: bytes | None


def aged(raw: RawRows, table: Table, after: bytes, below: int, limit: int) -> Aged:
    """Of the `limit` rows behind the key `after`, those encrypted under terms before `below`.

    The batch ends earlier where they come to MAX_BATCH_BYTES.
    """
    keys: list[bytes] = []
    read = size = 0
    while read < limit:
        start = after_key(bytes([table]) + after) if after else bytes([table])
        rows = raw.scan(start, bytes([table + 1]), min(_AT_ONCE, limit - read))
        if not rows:
            return Aged(keys, read, None)
        for place, row in rows:
            if int.from_bytes(row[_TERM], "big") < below:
                size += len(row)
                if keys and size > MAX_BATCH_BYTES:
                    return Aged(keys, read, after)
                keys.append(place[1:])
            read, after = read + 1, place[1:]
    return Aged(keys, read, after)
