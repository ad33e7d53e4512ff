"""`?help=1`: what a path is for, told from the same table of routes that answers it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from custody.core import openapi
from custody.core.match import Match
from custody.core.router import RouteTable, captured
from custody.plugin.fields import Described, described
from custody.plugin.request import Reply
from custody.plugin.route import Action, Engine, Kind, Op, Route

HELP: Final = "help"
_VERBS: Final = {
    Op.READ: "GET",
    Op.LIST: "LIST",
    Op.SCAN: "SCAN",
    Op.WRITE: "POST",
    Op.PATCH: "PATCH",
    Op.DELETE: "DELETE",
}


def match(table: RouteTable, path: str) -> Match | None:
    """The route that answers with the help for `path` below the mount; None: there is none.

    A path that no route knows has the help of the whole engine where the engine answers there.
    """
    engine = table.engine
    known = table.known(path)
    if known is not None:
        return _answering(_of_route(known.route, path), _document(engine, (known.route,)))
    if path and engine.missing is None:
        return None
    return _answering(_of_engine(engine), _document(engine, engine.routes))


def _answering(text: str, document: Mapping[str, Any]) -> Match:
    reply = Reply(data={"help": text, "openapi": document, "see_also": None})
    action = Action(lambda _request, _rows: reply, Kind.READS, free=True)
    route = Route("{path...}", dict.fromkeys(Op, action), help="Help for a path.", raw=True)
    return Match(route, {})


def _of_engine(engine: Engine) -> str:
    paths = "\n\n".join(f"    {route.pattern}\n        {route.help}" for route in engine.routes)
    return f"## DESCRIPTION\n\n{engine.help}\n\n## PATHS\n\n{paths}\n"


def _of_route(route: Route, path: str) -> str:
    fields = _fields(route)
    verbs = "\n".join(_verb_line(op, action) for op, action in route.actions.items())
    parts = [f"Request:        {path}\nMatching Route: {route.pattern}", route.help]
    if fields:
        lines = "\n".join(_field_lines(name, one) for name, one in sorted(fields.items()))
        parts.append(f"## PARAMETERS\n\n{lines}")
    parts.append(f"## OPERATIONS\n\n{verbs}")
    return "\n\n".join(parts) + "\n"


def _verb_line(op: Op, action: Action) -> str:
    return f"    {_VERBS[op]:7}{action.summary}".rstrip()


def _field_lines(name: str, field: Described) -> str:
    return f"    {name} ({field.kind})\n        {field.told}"


def _fields(route: Route) -> Mapping[str, Described]:
    """Every parameter of a route."""
    found: dict[str, Described] = {}
    for action in route.actions.values():
        found |= described(action.body)
    return found | captured(route)


def _document(engine: Engine, routes: Sequence[Route]) -> Mapping[str, Any]:
    place = openapi.Mounted(engine, "", routes)
    return openapi.document([place], "Custody API", f"HTTP API of the {engine.kind} engine.")
