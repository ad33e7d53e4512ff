"""One request on its way through the pipeline: what was found, decided and recorded of it."""

from collections.abc import Iterable, Mapping

import msgspec

from custody.audit.record import RequestEntry
from custody.base.errors import CustodyError
from custody.core.call import Call
from custody.core.match import Match
from custody.core.mounts import MountEntry
from custody.plugin import request as plugin
from custody.plugin.request import Reply, Request
from custody.plugin.route import Action, Engine
from custody.policy.acl import ACL
from custody.policy.decision import Decision
from custody.token.entry import TokenEntry


class Case(msgspec.Struct, frozen=True):
    """An admitted request. `reads` is the decision's read-set: what a write must find unchanged."""

    call: Call
    engine: Engine
    mount: MountEntry
    match: Match
    action: Action
    request: Request
    reads: Mapping[bytes, bytes | None]
    entry: RequestEntry
    token: TokenEntry | None
    operation: str
    acl: ACL | None
    decision: Decision | None

    def __repr__(self) -> str:
        return f"Case({self.call!r})"

    @property
    def limited(self) -> bool:
        """Whether the token has a limited number of uses: then this request takes one."""
        return self.token is not None and self.token.num_uses != 0

    def visible(self, keys: Iterable[str]) -> list[str]:
        """Those keys of a list that the deciding rule lets this caller see."""
        if self.acl is None or self.decision is None or self.decision.keys_path is None:
            return list(keys)
        return self.acl.filter_keys(self.decision, self.call.path, keys)


class Outcome(msgspec.Struct, frozen=True):
    """What an action came to: a reply, or the error that the caller is told."""

    reply: Reply | None = None
    error: CustodyError | None = None


class Standing(msgspec.Struct, frozen=True):
    """One caller on one path: everything about a request that does not differ from the next.

    `reads` are the rows that it rests on, `tokens` those of them that are
    tokens. It is good before `until_ns` (0: for ever).
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
    tokens: Mapping[bytes, bytes | None]
    until_ns: int

    def __repr__(self) -> str:
        return f"Standing({self.operation!r})"
