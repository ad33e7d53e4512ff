"""`sys/monitor`: what the processes of the node log, as they log it."""

from typing import Annotated, Final

from custody.base.errors import BadRequest, Sealed
from custody.base.log import FORMS, LEVELS
from custody.base.store import Rows
from custody.core.act import Act
from custody.plugin.fields import Fields
from custody.plugin.request import Reply, Request
from custody.plugin.route import Op, Route, acts
from custody.policy import service as policies
from custody.token import service as tokens
from custody.token.entry import BATCH_TYPE, SPENT, TokenEntry

_PATH: Final = "sys/monitor"  # as policies name it
_TEXT: Final = "text/plain; charset=utf-8"


class MonitorFields(Fields, frozen=True, kw_only=True):
    """What is shown, and how."""

    log_level: Annotated[str, "From which level on: trace, debug, info, warn or error."] = "info"
    log_format: Annotated[str, "How lines are written: standard or json."] = "standard"


async def monitor(request: Request, act: Act) -> Reply:
    """Follow the log: lines of every process of the node, until whoever asks hangs up."""
    fields: MonitorFields = request.body
    level, form = fields.log_level.lower() or "info", fields.log_format.lower() or "standard"
    if level not in LEVELS:
        raise BadRequest("unknown log level")
    if form not in FORMS:
        raise BadRequest("unknown log format")
    lines = act.parts.journal.follow(level, form, lambda: _good(request, act))
    return Reply(file=lines, content_type=_TEXT)


def _good(request: Request, act: Act) -> bool:
    """Whether the caller would be let in now: its token stands, and its policies still allow it."""
    try:
        with act.snapshot() as rows:
            now_ns = max(act.parts.clock.now_ns(), act.parts.barrier.floor_ns(rows))
            token = _token(request, act, rows, now_ns)
            return token is not None and _allowed(request, rows, token, now_ns)
    except Sealed:
        return False


def _token(request: Request, act: Act, rows: Rows, now_ns: int) -> TokenEntry | None:
    """The token that was shown, while it is good.

    One that paid for this with its last use has no row any more, and a batch token never had one:
    both stand as long as the token above them does.
    """
    caller, shown = request.caller, act.token
    if caller is None or shown is None:
        return None
    if caller.num_uses == SPENT or caller.token_type == BATCH_TYPE:
        return tokens.standing(rows, shown, now_ns)
    return tokens.find(rows, caller.id, now_ns)


def _allowed(request: Request, rows: Rows, token: TokenEntry, now_ns: int) -> bool:
    acl = policies.acl_for(rows, token.policies, now_ns)
    return acl.decide(Op.READ.value, _PATH, query=request.query).allowed


ROUTES: Final = (
    Route(
        "monitor",
        {Op.READ: acts(monitor, MonitorFields, media=("text/plain",))},
        raw=True,
        help="The log of the node, as it is written.",
    ),
)
