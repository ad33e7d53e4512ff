"""`sys/monitor`: what the processes of the node log, as they log it."""

from typing import Annotated, Final

from custody.base.errors import BadRequest
from custody.base.log import FORMS, LEVELS
from custody.core.act import Act
from custody.plugin.fields import Fields
from custody.plugin.request import Reply, Request
from custody.plugin.route import Op, Route, acts

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
    return Reply(file=act.parts.journal.follow(level, form), content_type=_TEXT)


ROUTES: Final = (
    Route(
        "monitor",
        {Op.READ: acts(monitor, MonitorFields, media=("text/plain",))},
        raw=True,
        help="The log of the node, as it is written.",
    ),
)
