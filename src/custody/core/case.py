"""One request on its way through the pipeline: what was found, decided and recorded of it."""

from collections.abc import Iterable
from typing import Final

from custody.audit import record
from custody.audit.entry import RequestEntry
from custody.base.errors import CustodyError
from custody.core.call import Call
from custody.core.match import Match
from custody.core.mounts import MountEntry
from custody.plugin import context
from custody.plugin.request import Reply, Request
from custody.plugin.route import Action, Engine
from custody.policy.acl import ACL
from custody.policy.decision import Decision
from custody.token.entry import TokenEntry

# A read-set: raw key → ciphertext, None where there is none. Nobody changes one; it is a dict since
# compiled code walks through that without calls.
Reads = dict[bytes, bytes | None]


class Shown:
    """What audit records show of a decision: whom it was about, where, and what was said."""

    def __init__(
        self, caller: record.Caller | None, mount: record.Mount | None, said: record.Decision | None
    ) -> None:
        self.caller: Final = caller
        self.mount: Final = mount
        self.said: Final = said


class Standing:
    """One caller on one path: everything about a request that does not differ from the next.

    `reads` are the rows that it rests on, `tokens` those of them that are tokens. It is good before
    `until_ns` (0: for ever). `shown` is there once it was recorded.
    """

    def __init__(  # noqa: PLR0913 one for each field
        self,
        *,
        engine: Engine,
        mount: MountEntry,
        shape: context.Mount,
        below: str,
        match: Match,
        action: Action,
        operation: str,
        token_hash: bytes,
        token: TokenEntry | None,
        caller: context.Caller | None,
        acl: ACL | None,
        decision: Decision | None,
        reads: Reads,
        tokens: Reads,
        until_ns: int,
    ) -> None:
        self.engine: Final = engine
        self.mount: Final = mount
        self.shape: Final = shape
        self.below: Final = below
        self.match: Final = match
        self.action: Final = action
        self.operation: Final = operation
        self.token_hash: Final = token_hash
        self.token: Final = token
        self.caller: Final = caller
        self.acl: Final = acl
        self.decision: Final = decision
        self.reads: Final = reads
        self.tokens: Final = tokens
        self.until_ns: Final = until_ns
        self.shown: Shown | None = None

    def __repr__(self) -> str:
        return f"Standing({self.operation!r})"


class Case:
    """An admitted request. `reads` is the decision's read-set: what a write must find unchanged."""

    def __init__(
        self, call: Call, standing: Standing, request: Request, reads: Reads, entry: RequestEntry
    ) -> None:
        self.call: Final = call
        self.request: Final = request
        self.reads: Final = reads
        self.entry: Final = entry
        self.engine: Final = standing.engine
        self.mount: Final = standing.mount
        self.match: Final = standing.match
        self.action: Final = standing.action
        self.token: Final = standing.token
        self.operation: Final = standing.operation
        self.acl: Final = standing.acl
        self.decision: Final = standing.decision

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


class Outcome:
    """What an action came to: a reply, or the error that the caller is told."""

    def __init__(self, reply: Reply | None = None, error: CustodyError | None = None) -> None:
        self.reply: Final = reply
        self.error: Final = error
