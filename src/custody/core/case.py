"""One request on its way through the pipeline: what was found, decided and recorded of it."""

from collections.abc import Iterable, Mapping

import msgspec

from custody.audit.record import RequestEntry
from custody.core.call import Call
from custody.core.mounts import MountEntry
from custody.core.router import Match
from custody.plugin.request import Request
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
