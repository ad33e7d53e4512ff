"""The life of tokens, as functions over a snapshot or a transaction.

A token is good only while its own row and the row of each of its ancestors are there and unexpired.
So taking away one row refuses the whole tree below it at once; the rows of the descendants are
cleared later, from a mark, in batches (`clearing`). A missing row always means less access. Nor may
any of them be recalled by the path that made it (`recall`).

Functions that revoke answer with the hashes that went, so that whoever composes them can clear
what belongs to those tokens in the same transaction.
"""

from typing import Final

import msgspec

from custody.base.clock import NANOSECOND
from custody.base.errors import BadRequest, MultiError, PermissionDenied
from custody.base.ids import Source
from custody.base.store import Rows, Table, Transaction
from custody.crypto.mac import Authenticator
from custody.token import recall, roles
from custody.token.asked import Created, Handle, Spec
from custody.token.entry import SPENT, WRAPPING_POLICIES, Renewed, TokenEntry, decode_entry
from custody.token.lifetime import Limits, Terms, ceiling, grant, lesser
from custody.token.rows import (
    HASH,
    expiry_key,
    has_children,
    has_cubbyhole,
    load,
    remember_use,
    stamp,
    store,
)

# Looked up once: a member of an enum is dear to look up.
_TOKEN: Final = Table.TOKEN
_ACCESSOR: Final = Table.ACCESSOR
_CHILD: Final = Table.CHILD
MAX_DEPTH = 32
BATCH_SALT = 16  # random bytes that make each batch token another
MAX_ORPHANED = 1_000  # descendants that one revoke_orphan may rewrite


class RoleGone(BadRequest, MultiError):
    """The token's role is not there any more: 400, in the multi-error spelling."""


def hash_id(salt: Authenticator, token: str) -> bytes:
    """The key under which `token` is stored: HMAC-SHA256 (RFC 2104)."""
    return salt.mac(b"token\0" + token.encode("utf-8", "surrogatepass"))


def hash_accessor(salt: Authenticator, accessor: str) -> bytes:
    """The key under which `accessor` is stored; never equal to that of a token."""
    return salt.mac(b"accessor\0" + accessor.encode("utf-8", "surrogatepass"))


def authenticate(rows: Rows, token_hash: bytes, now_ns: int) -> TokenEntry:
    """The entry of a token that may be used now.

    All rows that the answer rests on are read by `memo`, so they are in the read-set. Raises
    PermissionDenied, without saying why.
    """
    entry = find(rows, token_hash, now_ns)
    if entry is None or entry.num_uses == SPENT:
        raise PermissionDenied
    return entry


def find(rows: Rows, token_hash: bytes, now_ns: int) -> TokenEntry | None:
    """As `authenticate`, but None when there is none, and a token in its last use is found."""
    memo = rows.memo
    entry = memo(_TOKEN, token_hash, decode_entry)
    if entry is None or 0 < entry.expires_ns <= now_ns:
        return None
    recalls = recall.read(rows)
    if entry.era > recalls.era:
        raise recall.missing()
    waiting = recalls.waiting
    if waiting and recalls.cover(entry):
        return None
    for ancestor in entry.ancestors:
        above = memo(_TOKEN, ancestor, decode_entry)
        if above is None or 0 < above.expires_ns <= now_ns or (waiting and recalls.cover(above)):
            return None
    return entry


def standing(rows: Rows, entry: TokenEntry, now_ns: int) -> TokenEntry | None:
    """As `find` for a batch token, whose entry its text told: None where it is over.

    It falls with its parent. An orphan needs no row at all.
    """
    if 0 < entry.expires_ns <= now_ns:
        return None
    if entry.ancestors and find(rows, entry.ancestors[0], now_ns) is None:
        return None
    return entry


def good_until(rows: Rows, entry: TokenEntry) -> int:
    """When a token that is good now ends, or the first of those above it; ns, 0: never."""
    ends = [entry.expires_ns]
    above = list(entry.ancestors)
    for ancestor in above:  # it grows: a batch token names its parent only
        found = rows.memo(Table.TOKEN, ancestor, decode_entry)
        if found is not None:
            ends.append(found.expires_ns)
            above += [each for each in found.ancestors if each not in above]
    return min((end for end in ends if end), default=0)


def by_accessor(rows: Rows, accessor_hash: bytes, now_ns: int) -> tuple[bytes, TokenEntry] | None:
    """Hash and entry of the live token with that accessor, or None."""
    token_hash = rows.get(Table.ACCESSOR, accessor_hash)
    if token_hash is None:
        return None
    entry = find(rows, token_hash, now_ns)
    return None if entry is None else (token_hash, entry)


def accessors(rows: Rows, after: bytes, limit: int, now_ns: int) -> tuple[list[str], bytes | None]:
    """A page of the accessors of live tokens, in the order of their hashes.

    `after` is the accessor hash to start behind (empty: from the start). Also answers the hash to
    go on from, None at the end; a page may be shorter than `limit` as dead tokens are left out.
    """
    page = rows.scan(Table.ACCESSOR, b"", after, limit)
    found = (find(rows, token_hash, now_ns) for _, token_hash in page)
    names = [entry.accessor for entry in found if entry is not None and entry.num_uses != SPENT]
    return names, page[-1][0] if len(page) == limit else None


def create(
    txn: Transaction,
    spec: Spec,
    handle: Handle,
    parent: bytes | None,
    now_ns: int,
    good: TokenEntry | None = None,
) -> Created:
    """Store a new token below `parent` (its hash), or an orphan.

    `good` is the parent's entry where this transaction has authenticated it already. Raises
    PermissionDenied when the parent is no longer good, BadRequest when the tree would be too deep
    or the id is taken. An id that somebody has chosen is taken as long as descendants of a revoked
    bearer of it wait to be cleared: given out again it would bring them back to life.
    """
    ancestors: tuple[bytes, ...] = ()
    if parent is not None:
        above = authenticate(txn, parent, now_ns) if good is None else good
        ancestors = (parent, *above.ancestors)
    if len(ancestors) > MAX_DEPTH:
        raise BadRequest(f"a token may have at most {MAX_DEPTH} ancestors")
    token_hash = handle.token_hash
    taken = txn.get(_TOKEN, token_hash) is not None
    if taken or (handle.chosen and has_children(txn, token_hash)):
        raise BadRequest("cannot create a token with a duplicate ID")
    entry = _new_entry(spec, handle, ancestors, now_ns, era=recall.read(txn).era)
    store(txn, token_hash, entry)
    txn.put(_ACCESSOR, handle.accessor_hash, token_hash)
    if ancestors:
        txn.put(_CHILD, ancestors[0] + token_hash, b"")
    return Created(entry, token_hash)


def use(txn: Transaction, token_hash: bytes, now_ns: int) -> TokenEntry:
    """Count one use of a token with limited uses; answers its entry after that.

    The last use leaves the row in place, for the request that it pays for, with num_uses SPENT: no
    other request gets in. That request revokes it when it is done; should it never come to that,
    expiry does so SPENT_GRACE_NS later. Raises PermissionDenied when no use is left.
    """
    entry = authenticate(txn, token_hash, now_ns)
    if not entry.num_uses:
        return entry
    if entry.num_uses > 1:
        used = msgspec.structs.replace(entry, num_uses=entry.num_uses - 1)
    else:
        used = msgspec.structs.replace(entry, num_uses=SPENT, spent_ns=now_ns)
        if entry.policies == WRAPPING_POLICIES:
            remember_use(txn, token_hash, entry, now_ns)
    store(txn, token_hash, used, before=entry)
    return used


def used_ns(rows: Rows, token_hash: bytes) -> int | None:
    """When a wrapping token that may be gone was used; None: never, or long ago."""
    row = rows.get(Table.OPENED, token_hash)
    return None if row is None else int.from_bytes(row, "big")


def renew(
    txn: Transaction, token_hash: bytes, increment: int, now_ns: int, limits: Limits
) -> Renewed:
    """Let a token live `increment` seconds from now (0: as long as it was last granted).

    A role's period and explicit maximum are those of now. Raises BadRequest when there is no such
    token or it cannot be renewed.
    """
    entry = find(txn, token_hash, now_ns)
    if entry is None or entry.num_uses == SPENT:
        raise BadRequest("token not found")
    if not entry.renewable or not entry.expires_ns:
        raise BadRequest("lease is not renewable")
    period, explicit_max = _bounds(txn, entry)
    granted_at = entry.last_renewal_ns or entry.created_ns
    last_grant = -(-(entry.expires_ns - granted_at) // NANOSECOND)
    terms = Terms(
        wanted=increment if increment > 0 else last_grant,
        period=period,
        explicit_max=explicit_max,
        age=now_ns // NANOSECOND - entry.created_ns // NANOSECOND,
    )
    ttl, warnings = grant(terms, limits)
    expires_ns = now_ns + ttl * NANOSECOND
    longest = ceiling(terms, limits)
    if longest:  # ages are whole seconds, as Vault counts them; the end is exact
        expires_ns = min(expires_ns, entry.created_ns + longest * NANOSECOND)
    renewed = msgspec.structs.replace(entry, expires_ns=expires_ns, last_renewal_ns=now_ns)
    store(txn, token_hash, renewed, before=entry)
    return Renewed(renewed, ttl, warnings)


def _bounds(txn: Transaction, entry: TokenEntry) -> tuple[int, int]:
    """Period and explicit maximum of a token: the lesser of its own and of its role's."""
    if not entry.role:
        return entry.period, entry.explicit_max_ttl
    role = roles.read(txn, entry.role)
    if role is None:
        raise RoleGone(
            f'failed to renew entry: original token role "{entry.role}" could not be found, '
            "not renewing"
        )
    return (
        lesser(entry.period, role.period),
        lesser(entry.explicit_max_ttl, role.explicit_max_ttl),
    )


def revoke(txn: Transaction, token_hash: bytes, now_ns: int) -> tuple[bytes, ...]:
    """Take a token away, and with it all below it; answers its hash, or nothing if unknown.

    Once this is committed every descendant is refused, and the token's cubbyhole is out of reach.
    Their rows go later: marks are left for `clearing.sweep` where there are any.
    """
    entry = load(txn, token_hash)
    if entry is None:
        return ()
    _remove(txn, token_hash, entry, now_ns)
    if has_children(txn, token_hash):
        txn.put(Table.REVOCATION, stamp(now_ns) + token_hash, b"")
    return (token_hash,)


def revoke_orphan(txn: Transaction, token_hash: bytes, now_ns: int) -> tuple[bytes, ...]:
    """Take a token away and let its children live on, as orphans.

    Every descendant names the token among its ancestors, so all are rewritten here. Raises
    BadRequest when the token is unknown, or has more than MAX_ORPHANED descendants.
    """
    entry = find(txn, token_hash, now_ns)
    if entry is None:
        raise BadRequest("token to revoke not found")
    names = len(entry.ancestors) + 1  # that many ancestors each descendant loses
    for descendant in _descendants(txn, token_hash):
        _cut(txn, descendant, names)
    for child in _children(txn, token_hash):
        txn.delete(Table.CHILD, token_hash + child)
    _remove(txn, token_hash, entry, now_ns)
    return (token_hash,)


def _remove(txn: Transaction, token_hash: bytes, entry: TokenEntry, now_ns: int) -> None:
    txn.delete(Table.TOKEN, token_hash)
    txn.delete(Table.ACCESSOR, entry.accessor_hash)
    if entry.ancestors:
        txn.delete(Table.CHILD, entry.ancestors[0] + token_hash)
    due = expiry_key(token_hash, entry)
    if due is not None:
        txn.delete(Table.EXPIRY, due)
    if has_cubbyhole(txn, entry.accessor_hash):
        txn.put(Table.REVOCATION, stamp(now_ns) + entry.accessor_hash, b"")


def _descendants(rows: Rows, token_hash: bytes) -> list[bytes]:
    found = _children(rows, token_hash)
    for descendant in found:  # grows while it is walked
        found += _children(rows, descendant)
        if len(found) > MAX_ORPHANED:
            break
    if len(found) > MAX_ORPHANED:
        raise BadRequest(f"token has more than {MAX_ORPHANED} descendants; revoke them first")
    return found


def _children(rows: Rows, token_hash: bytes) -> list[bytes]:
    keys = rows.keys(Table.CHILD, token_hash, limit=MAX_ORPHANED + 1)
    return [key[HASH:] for key in keys]


def _cut(txn: Transaction, token_hash: bytes, names: int) -> None:
    """Drop the `names` farthest ancestors of a token."""
    entry = load(txn, token_hash)
    if entry is None:
        return
    cut = msgspec.structs.replace(entry, ancestors=entry.ancestors[:-names])
    store(txn, token_hash, cut, before=entry)


def batch_entry(
    txn: Transaction, spec: Spec, source: Source, parent: bytes | None, now_ns: int
) -> TokenEntry:
    """The entry of a new batch token below `parent`, or of an orphan; nothing is stored.

    Raises PermissionDenied when the parent is no longer good.
    """
    if parent is not None:
        authenticate(txn, parent, now_ns)
    handle = Handle(b"", "", source.random(BATCH_SALT))
    return _new_entry(spec, handle, () if parent is None else (parent,), now_ns)


def _new_entry(
    spec: Spec, handle: Handle, ancestors: tuple[bytes, ...], now_ns: int, *, era: int = 0
) -> TokenEntry:
    return TokenEntry(
        accessor=handle.accessor,
        accessor_hash=handle.accessor_hash,
        policies=spec.policies,
        path=spec.path,
        display_name=spec.display_name,
        meta=spec.meta,
        created_ns=now_ns,
        ttl=spec.ttl,
        expires_ns=now_ns + spec.ttl * NANOSECOND if spec.ttl else 0,
        explicit_max_ttl=spec.explicit_max_ttl,
        period=spec.period,
        num_uses=spec.num_uses,
        renewable=spec.renewable,
        ancestors=ancestors,
        entity_id=spec.entity_id,
        type=spec.type,
        role=spec.role,
        bound_cidrs=spec.bound_cidrs,
        era=era,
    )
