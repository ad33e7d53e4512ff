"""`sys/loggers`: at which level the parts of the server log, until its next start or reload."""

from typing import Annotated, Final

from custody.base import log
from custody.base.errors import BadRequest
from custody.core.act import Act
from custody.core.confine import SystemRows
from custody.plugin.fields import Fields
from custody.plugin.request import Reply, Request
from custody.plugin.route import Op, Route, acts, reads


class LevelFields(Fields, frozen=True, kw_only=True):
    """A level: trace, debug, info, notice, warn, error."""

    level: Annotated[str, "`trace`, `debug`, `info`, `notice`, `warn` or `error`."] = ""


def show(_request: Request, _rows: SystemRows) -> Reply:
    """Every logger and its level."""
    return Reply(data=log.levels())


def show_one(request: Request, _rows: SystemRows) -> Reply:
    """The level of one logger; nothing where there is none of that name."""
    name = request.params["name"]
    found = log.levels().get(name)
    return Reply(data={} if found is None else {name: found})


async def change(request: Request, act: Act) -> None:
    """Set the level of all loggers."""
    await act.parts.custodian.set_level("", _level(request))


async def change_one(request: Request, act: Act) -> None:
    """Set the level of one logger."""
    level = _level(request)
    await act.parts.custodian.set_level(_known(request), level)


async def revert(_request: Request, act: Act) -> None:
    """Go back to the level of the configuration."""
    await act.parts.custodian.set_level("", "")


async def revert_one(request: Request, act: Act) -> None:
    """Let one logger go back to the level of all."""
    await act.parts.custodian.set_level(_known(request), "")


def _level(request: Request) -> str:
    fields: LevelFields = request.body
    if not fields.level:
        raise BadRequest("level is required")
    if fields.level not in log.LEVELS:
        raise BadRequest(f"invalid level provided: unknown log level: {fields.level[:64]}")
    return fields.level


def _known(request: Request) -> str:
    name = request.params["name"]
    if name not in log.LOGGERS:
        raise BadRequest(f'logger "{name}" not found')
    return name


ROUTES: Final = (
    Route(
        "loggers",
        {
            Op.READ: reads(show, shows=dict[str, str]),
            Op.WRITE: acts(change, LevelFields),
            Op.DELETE: acts(revert),
        },
        help="The levels of all loggers.",
    ),
    Route(
        "loggers/{name:any}",
        {
            Op.READ: reads(show_one, shows=dict[str, str]),
            Op.WRITE: acts(change_one, LevelFields),
            Op.DELETE: acts(revert_one),
        },
        takes={"name": "`audit`, `barrier`, `core`, `http`, `serve`, `storage` or `system`."},
        help="The level of one logger.",
    ),
)
