"""What jobs do with tokens that are over: bounded steps that may stop and go on at any point.

Every step does whole tokens, fewer where they are large, and leaves the rows as a smaller instance
of the same work, so there is no progress to keep: a revoked token's children are taken away one
batch at a time, and a child that has children of its own gets a mark of its own.
"""

from dataclasses import dataclass

from custody.base.clock import NANOSECOND
from custody.base.store import Rows, Table, Transaction, bounded
from custody.token.rows import HASH, expiry_key, has_children, load, split
from custody.token.service import revoke

KEYS_PER_TOKEN = 6  # rows that clearing one token changes at most


@dataclass(frozen=True, slots=True)
class Step:
    """What one step took away (salted hashes), and whether there is more to do now."""

    revoked: tuple[bytes, ...]
    more: bool


def next_due_ns(rows: Rows) -> int | None:
    """When the first token in the expiry index is due, or None: nothing will expire."""
    head = rows.keys(Table.EXPIRY, b"", limit=1)
    return split(head[0])[0] * NANOSECOND if head else None


def count_due(rows: Rows, now_ns: int, most: int) -> int:
    """How many tokens are due by `now_ns`; counts no further than `most`."""
    return sum(_due(key, now_ns) for key in rows.keys(Table.EXPIRY, b"", limit=most))


def expire(txn: Transaction, now_ns: int, limit: int) -> Step:
    """Revoke up to `limit` tokens that are due by `now_ns`, the longest due first."""
    keys = txn.keys(Table.EXPIRY, b"", limit=limit + 1)
    due = [key for key in keys if _due(key, now_ns)]
    gone: list[bytes] = []
    done = 0
    for key in bounded(txn, due[:limit]):
        done += 1
        _, token_hash = split(key)
        entry = load(txn, token_hash)
        if entry is None or expiry_key(token_hash, entry) != key:
            txn.delete(Table.EXPIRY, key)
            txn.delete(Table.OPENED, token_hash)
        else:
            gone += revoke(txn, token_hash, now_ns)
    return Step(tuple(gone), more=len(due) > done)


def sweep(txn: Transaction, now_ns: int, limit: int) -> Step:
    """Clear up to `limit` tokens below the oldest mark, or rows of its cubbyhole, and the mark
    itself when none is left."""
    marks = txn.keys(Table.REVOCATION, b"", limit=2)
    if not marks:
        return Step((), more=False)
    _, root = split(marks[0])
    step = tree_step(txn, root, now_ns, limit)
    if step.more or _clear_cubbyhole(txn, root, limit - len(step.revoked)):
        return Step(step.revoked, more=True)
    txn.delete(Table.REVOCATION, marks[0])
    return Step(step.revoked, more=bool(txn.keys(Table.REVOCATION, b"", limit=1)))


def tree_step(txn: Transaction, root: bytes, now_ns: int, limit: int) -> Step:
    """Revoke up to `limit` children of a token that is gone; `more` when children are left."""
    children = txn.keys(Table.CHILD, root, limit=limit)
    gone: list[bytes] = []
    for key in bounded(txn, children):
        token_hash = key[HASH:]
        gone += revoke(txn, token_hash, now_ns)
        txn.delete(Table.CHILD, key)
    return Step(tuple(gone), more=has_children(txn, root))


def _clear_cubbyhole(txn: Transaction, accessor_hash: bytes, limit: int) -> bool:
    """Delete up to `limit` rows that a token kept to itself; says whether there are more."""
    keys = txn.keys(Table.CUBBYHOLE, accessor_hash, limit=limit + 1)
    gone = sum(txn.delete(Table.CUBBYHOLE, key) for key in bounded(txn, keys[:limit]))
    return len(keys) > gone


def _due(key: bytes, now_ns: int) -> bool:
    return split(key)[0] * NANOSECOND <= now_ns
