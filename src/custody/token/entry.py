"""The stored form of a token."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from custody.base.codec import decode
from custody.base.record import Record

ROOT_POLICY = "root"
ROOT_PATH = "auth/token/root"
SERVICE_TYPE, BATCH_TYPE = "service", "batch"
WRAPPING_POLICIES = ("response-wrapping",)  # of tokens that hold an answer, and of no others
SPENT = -1  # num_uses once the last use has begun

_WIRE_NAMES = {
    "accessor": "a",
    "policies": "p",
    "path": "h",
    "display_name": "d",
    "meta": "m",
    "created_ns": "c",
    "ttl": "t",
    "expires_ns": "e",
    "explicit_max_ttl": "x",
    "period": "r",
    "num_uses": "u",
    "renewable": "w",
    "type": "y",
    "ancestors": "n",
    "entity_id": "i",
    "last_renewal_ns": "l",
    "spent_ns": "s",
    "accessor_hash": "k",
    "role": "o",
    "bound_cidrs": "b",
    "era": "g",
}


class TokenEntry(Record, frozen=True, kw_only=True, rename=_WIRE_NAMES):
    """What is known of a token. Its text is not: the row lies under the text's salted hash.

    A batch token has no row: this is in its text, encrypted. Of its ancestors only the nearest is
    named, and `accessor_hash` is random, so that no two are alike.
    """

    accessor: str
    accessor_hash: bytes
    policies: tuple[str, ...] = ()
    path: str = "auth/token/create"  # of the request that made it
    display_name: str = "token"
    meta: Mapping[str, str] = msgspec.field(default_factory=dict)
    created_ns: int = 0
    ttl: int = 0  # seconds granted at creation
    expires_ns: int = 0  # 0: never
    explicit_max_ttl: int = 0  # seconds from creation; 0: none
    period: int = 0  # seconds; 0: not periodic
    num_uses: int = 0  # left; 0: unlimited, SPENT: none
    renewable: bool = False
    type: str = SERVICE_TYPE
    ancestors: tuple[bytes, ...] = ()  # salted hashes, nearest first; none: an orphan
    entity_id: str = ""
    last_renewal_ns: int = 0  # 0: never renewed
    spent_ns: int = 0  # when the last use began
    role: str = ""  # the token role that it was made by way of
    bound_cidrs: tuple[str, ...] = ()  # networks from which it may be used; none: from anywhere
    era: int = 0  # in which it was made; see `recall`

    @property
    def root(self) -> bool:
        """Whether the token may do everything."""
        return ROOT_POLICY in self.policies

    @property
    def orphan(self) -> bool:
        """Whether the token lives on when those above it are revoked."""
        return not self.ancestors


def decode_entry(data: bytes) -> TokenEntry:
    """The entry in `data`. Raises CorruptRecord. What `memo` is given to remember by."""
    return decode(TokenEntry, data)


@dataclass(frozen=True, slots=True)
class Renewed:
    """A token that lives longer now."""

    entry: TokenEntry
    ttl: int  # seconds from now
    warnings: tuple[str, ...]
