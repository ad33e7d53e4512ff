"""Where the rows of tokens lie, and the entry in the expiry index that follows each token.

Hashes are 32 bytes, HMAC-SHA256 under the store's salt; times are big-endian, 8 bytes:

    TOKEN       token hash                        the entry
    TOKEN       "recalls"                         which tokens are recalled (`recall`)
    ACCESSOR    accessor hash                     token hash
    CHILD       parent's hash | child's hash      nothing
    EXPIRY      due second | token hash           nothing
    REVOCATION  time of the mark | root           nothing
    CUBBYHOLE   accessor hash | path              what the token keeps to itself
    OPENED      token hash                        when a wrapping token was used, nanoseconds

A row in OPENED stays when its token goes; the expiry index says until when, and is of use then
only to find it.

The root of a mark is a token's hash, for the children below it, or that of an accessor, for the
token's cubbyhole.
"""

from typing import Final

from custody.base.clock import NANOSECOND
from custody.base.codec import encode
from custody.base.store import Rows, Table, Transaction
from custody.token.entry import SPENT, TokenEntry, decode_entry

_TOKEN: Final = Table.TOKEN  # looked up once: a member of an enum is dear to look up
_EXPIRY: Final = Table.EXPIRY
HASH = 32  # bytes
TIME = 8
SPENT_GRACE_NS = 120 * NANOSECOND  # longer than a request may take
OPENED_NS = 24 * 3600 * NANOSECOND  # for how long a used wrapping token is remembered at least
OPENED_MOST_NS = 30 * OPENED_NS


def load(rows: Rows, token_hash: bytes) -> TokenEntry | None:
    """The stored entry, dead or alive, past the memo: for what is about to be changed."""
    data = rows.get(Table.TOKEN, token_hash)
    return None if data is None else decode_entry(data)


def has_children(rows: Rows, token_hash: bytes) -> bool:
    """Whether a token was made below this one whose rows are still there."""
    return bool(rows.keys(Table.CHILD, token_hash, limit=1))


def has_cubbyhole(rows: Rows, accessor_hash: bytes) -> bool:
    """Whether the token with that accessor keeps anything to itself."""
    return bool(rows.keys(Table.CUBBYHOLE, accessor_hash, limit=1))


def store(
    txn: Transaction, token_hash: bytes, entry: TokenEntry, before: TokenEntry | None = None
) -> None:
    """Write the entry, and its place in the expiry index in stead of that of `before`."""
    txn.put(_TOKEN, token_hash, encode(entry))
    old = None if before is None else expiry_key(token_hash, before)
    new = expiry_key(token_hash, entry)
    if old == new:
        return
    if old is not None:
        txn.delete(Table.EXPIRY, old)
    if new is not None:
        txn.put(_EXPIRY, new, b"")


def expiry_key(token_hash: bytes, entry: TokenEntry) -> bytes | None:
    """Where the token stands in the expiry index, or None: it never expires.

    The second is rounded up, so that a due row is never that of a token still alive.
    """
    due_ns = entry.spent_ns + SPENT_GRACE_NS if entry.num_uses == SPENT else entry.expires_ns
    if not due_ns:
        return None
    return stamp(-(-due_ns // NANOSECOND)) + token_hash


def remember_use(txn: Transaction, token_hash: bytes, entry: TokenEntry, now_ns: int) -> None:
    """Keep that a wrapping token was used, as long as it could have lived and within bounds."""
    left_ns = min(max(entry.expires_ns - now_ns, OPENED_NS), OPENED_MOST_NS)
    txn.put(Table.OPENED, token_hash, stamp(now_ns))
    txn.put(Table.EXPIRY, stamp(-(-(now_ns + left_ns) // NANOSECOND)) + token_hash, b"")


def stamp(time: int) -> bytes:
    """A time as the first part of a key: keys sort as times do."""
    return time.to_bytes(TIME, "big")


def split(key: bytes) -> tuple[int, bytes]:
    """Time and token hash of a key in EXPIRY, time and root of one in REVOCATION."""
    return int.from_bytes(key[:TIME], "big"), key[TIME:]
