"""What was decided for a caller on a path, kept while nothing that it was read from has changed.

Every commit that changes a row of a table rewrites that table's sum in the same commit (see
`barrier.digest`). So where the sums of the tables that govern access are what they were, the rows
are too, and the same request is decided the same way: its mount, token, ancestors and policies
need not be read again. A snapshot is asked each time; nothing is told to anyone, and a revoked
token is refused by the next request in every process. Measured: a third of a read.

Only what rests on token, path and verb alone is kept: no denial, no limited token, nothing that
depends on parameters, and nothing beyond the time at which a token or a policy of it ends.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from custody.barrier.rows import View
from custody.base.store import Table
from custody.core.call import Call
from custody.core.mounts import MountEntry
from custody.core.router import Match
from custody.plugin import request as plugin
from custody.plugin.route import Action, Engine, Op
from custody.policy.acl import ACL
from custody.policy.decision import Decision
from custody.policy.grant import LISTING
from custody.token.entry import TokenEntry

GOVERNING: Final = (Table.MOUNT, Table.AUDIT, Table.POLICY, Table.TOKEN)
MAX_STANDINGS: Final = 8192  # then all are forgotten
Key = tuple[bytes, Op, str]  # the token's hash, the verb, the path


class Standing(msgspec.Struct, frozen=True):
    """One caller on one path: everything about a request that does not differ from the next.

    `reads` are the rows of the governing tables that it rests on. It is good before `until_ns`
    (0: for ever).
    """

    engine: Engine
    mount: MountEntry
    shape: plugin.Mount
    below: str
    match: Match
    action: Action
    operation: str
    token_hash: bytes
    token: TokenEntry | None
    caller: plugin.Caller | None
    acl: ACL | None
    decision: Decision | None
    reads: Mapping[bytes, bytes | None]
    until_ns: int

    def __repr__(self) -> str:
        return f"Standing({self.operation!r})"


class Standings:
    """Those of one process, while the governing tables stay as they are."""

    __slots__ = ("_held", "_revision", "_sums")

    def __init__(self) -> None:
        self._held: dict[Key, Standing] = {}
        self._revision: object = None
        self._sums: tuple[bytes | None, ...] = ()

    def moved(self, rows: View) -> bool:
        """Whether the governing tables are others than at the last call; then nothing is held."""
        revision = rows.revision
        if revision == self._revision:
            return False
        sums = rows.sums(GOVERNING)
        unchanged = sums == self._sums and self._revision is not None
        self._revision, self._sums = revision, sums
        if unchanged:
            return False
        self._held.clear()
        return True

    def find(self, key: Key, now_ns: int) -> Standing | None:
        """What stands for this token, verb and path at `now_ns`."""
        standing = self._held.get(key)
        if standing is None or 0 < standing.until_ns <= now_ns:
            return None
        return standing

    def forget(self) -> None:
        """Hold nothing, and find that the tables have moved at the next call."""
        self._held.clear()
        self._revision = None

    def keep(self, key: Key, standing: Standing) -> None:
        """Hold it until the tables move."""
        if len(self._held) >= MAX_STANDINGS:
            self._held.clear()
        self._held[key] = standing


def settled(call: Call, standing: Standing) -> bool:
    """Whether the next such request would be decided by token, verb and path alone."""
    token, acl = standing.token, standing.acl
    if token is None or acl is None or token.num_uses or not repeatable(call):
        return False
    return acl.settled(standing.operation, call.path)


def repeatable(call: Call) -> bool:
    """Whether nothing about the call itself asks for a decision of its own."""
    if call.help or call.head or call.wrap_ttl or call.token is None:
        return False
    return not (call.query and call.op.value in LISTING)


def governing(reads: Mapping[bytes, bytes | None]) -> dict[bytes, bytes | None]:
    """Those of `reads` that are rows of the governing tables."""
    return {place: row for place, row in reads.items() if place[0] in GOVERNING}
