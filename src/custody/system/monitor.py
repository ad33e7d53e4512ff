"""`sys/monitor`: what the processes of the node log, as they log it."""

from typing import Annotated, Final

from custody.base.errors import BadRequest, Sealed
from custody.base.log import FORMS, LEVELS
from custody.core.act import Act
from custody.plugin.fields import Fields
from custody.plugin.request import Reply, Request
from custody.plugin.route import Op, Route, acts
from custody.token import service as tokens

_BATCH: Final = "batch"
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
    """Whether the token that was shown is still good, were it shown now.

    One of limited uses has paid for all of this with one of them.
    """
    caller, now_ns = request.caller, act.parts.clock.now_ns()
    if caller is None:
        return False
    if caller.num_uses or caller.token_type == _BATCH:  # spent by now, or never stored
        return not 0 < caller.expires_ns <= now_ns
    try:
        with act.snapshot() as rows:
            return tokens.find(rows, caller.id, now_ns) is not None
    except Sealed:
        return False


ROUTES: Final = (
    Route(
        "monitor",
        {Op.READ: acts(monitor, MonitorFields, media=("text/plain",))},
        raw=True,
        help="The log of the node, as it is written.",
    ),
)
