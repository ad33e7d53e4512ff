"""One request on its way through the pipeline: what was found, decided and recorded of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from custody.audit.record import RequestEntry
from custody.core.call import Call
from custody.core.mounts import MountEntry
from custody.core.router import Match
from custody.plugin.request import Request
from custody.plugin.route import Action, Engine
from custody.token.entry import TokenEntry


@dataclass(frozen=True, slots=True)
class Case:
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
