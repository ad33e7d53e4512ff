"""What was decided for a caller on a path, kept while nothing that it was read from has changed.

Every commit that changes a row of a table rewrites that table's sum in the same commit (see
`barrier.digest`). So where the sums of the tables that govern access are what they were, the rows
are too, and the same request is decided the same way: its mount, token, ancestors and policies
need not be read again. A snapshot is asked each time; nothing is told to anyone, and a revoked
token is refused by the next request in every process.

Only what rests on token, path and verb alone is kept: no denial, no token that is limited in uses
or bound to addresses, nothing that depends on parameters, and nothing beyond the time at which a
token or a policy of it ends.
"""

from collections.abc import Collection, Mapping
from typing import Final

from custody.barrier.rows import View
from custody.base.store import Table
from custody.core.call import Call
from custody.core.case import Standing
from custody.plugin.route import Op
from custody.policy.grant import LISTING

RULES: Final = (Table.MOUNT, Table.AUDIT, Table.POLICY)  # change seldom, and then all is forgotten
GOVERNING: Final = (*RULES, Table.TOKEN)
MAX_STANDINGS: Final = 8192  # then all are forgotten
Key = tuple[bytes, Op, str]  # the token's hash, the verb, the path


class Standings:
    """Those of one process, while the governing tables stay as they are.

    Tokens come and go all the time: where that table has moved, a decision stands again once the
    rows of its own token and ancestors are found to be the same.
    """

    __slots__ = ("_held", "_limit", "_revision", "_rules", "_tokens")

    def __init__(self, limit: int = MAX_STANDINGS) -> None:
        self._limit = limit
        self._held: dict[Key, tuple[Standing, bytes | None]] = {}  # and the sum of TOKEN then
        self._revision: object = None
        self._rules: tuple[bytes | None, ...] | None = None
        self._tokens: bytes | None = None

    def __len__(self) -> int:
        return len(self._held)

    def moved(self, rows: View) -> bool:
        """Whether mounts, policies or devices are others than at the last call."""
        if rows.revision == self._revision:
            return False
        *rules, self._tokens = rows.sums(GOVERNING)
        self._revision = rows.revision
        if tuple(rules) == self._rules:
            return False
        self._rules = tuple(rules)
        self._held.clear()
        return True

    def find(self, rows: View, key: Key, now_ns: int) -> Standing | None:
        """What stands for this token, verb and path at `now_ns`."""
        held = self._held.get(key)
        if held is None:
            return None
        standing, tokens = held
        if 0 < standing.until_ns <= now_ns:
            return None
        if tokens != self._tokens:
            if not rows.same(standing.tokens):
                return None
            self._held[key] = standing, self._tokens
        return standing

    def forget(self) -> None:
        """Hold nothing, and find that the tables have moved at the next call."""
        self._held.clear()
        self._revision = self._rules = None

    def keep(self, key: Key, standing: Standing) -> None:
        """Hold it until the tables move."""
        if len(self._held) >= self._limit:
            self._held.clear()
        self._held[key] = standing, self._tokens


def settled(call: Call, standing: Standing) -> bool:
    """Whether the next such request would be decided by token, verb and path alone."""
    token, acl = standing.token, standing.acl
    if token is None or acl is None or token.num_uses or token.bound_cidrs:
        return False
    if not repeatable(call) or any(place[0] not in GOVERNING for place in standing.reads):
        return False
    return acl.settled(standing.operation, call.path)


def repeatable(call: Call) -> bool:
    """Whether nothing about the call itself asks for a decision of its own."""
    if call.help or call.head or call.wrap_ttl or call.token is None:
        return False
    return not (call.query and call.op.value in LISTING)


def among(
    tables: Collection[Table], reads: Mapping[bytes, bytes | None]
) -> dict[bytes, bytes | None]:
    """Those of `reads` that are rows of `tables`."""
    return {place: row for place, row in reads.items() if place[0] in tables}
