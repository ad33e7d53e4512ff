"""`?help=1`: what a path is for, told from the same table of routes that answers it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from custody import __version__
from custody.core.router import Match, RouteTable, captures
from custody.plugin.fields import kind_of
from custody.plugin.request import Reply
from custody.plugin.route import Access, Action, Engine, Kind, Op, Route

HELP: Final = "help"
_VERBS: Final = {
    Op.READ: "GET",
    Op.LIST: "LIST",
    Op.SCAN: "SCAN",
    Op.WRITE: "POST",
    Op.PATCH: "PATCH",
    Op.DELETE: "DELETE",
}
_METHODS: Final = {
    Op.READ: "get",
    Op.WRITE: "post",
    Op.PATCH: "patch",
    Op.DELETE: "delete",
}
_SCHEMAS: Final[Mapping[str, Mapping[str, object]]] = {
    "string": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number", "format": "float"},
    "bool": {"type": "boolean"},
    "duration (sec)": {"type": "integer", "format": "seconds"},
    "slice": {"type": "array", "items": {"type": "string"}},
    "keypair": {"type": "object", "format": "kvpairs"},
    "map": {"type": "object", "format": "map"},
    "any": {},
}
_BODIED: Final = frozenset((Op.WRITE, Op.PATCH))


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
        lines = "\n".join(f"    {name} ({kind})" for name, kind in sorted(fields.items()))
        parts.append(f"## PARAMETERS\n\n{lines}")
    parts.append(f"## OPERATIONS\n\n{verbs}")
    return "\n\n".join(parts) + "\n"


def _verb_line(op: Op, action: Action) -> str:
    first = (action.help or action.run.__doc__ or "").strip().partition("\n")[0]
    return f"    {_VERBS[op]:7}{first.partition(' Raises ')[0]}".rstrip()


def _fields(route: Route) -> Mapping[str, str]:
    """Every parameter of a route, with the kind of its value."""
    found = dict.fromkeys(captures(route.pattern), "string")
    for action in route.actions.values():
        found |= _typed(action)
    return found


def _typed(action: Action) -> Mapping[str, str]:
    if action.body is None:
        return {}
    fields = msgspec.structs.fields(action.body)
    return {field.encode_name: kind_of(field.type) for field in fields}


def _document(engine: Engine, routes: Sequence[Route]) -> Mapping[str, Any]:
    """OpenAPI 3.0.2 of these routes, as Vault writes it."""
    return {
        "openapi": "3.0.2",
        "info": {
            "title": "Custody API",
            "description": f"HTTP API of the {engine.kind} engine. "
            "All API routes are prefixed with `/v1/`.",
            "version": __version__,
            "license": {
                "name": "Apache License 2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "paths": {_template(route.pattern): _path_item(route) for route in routes},
        "components": {"schemas": {}},
    }


def _template(pattern: str) -> str:
    return "/" + pattern.replace("...}", "}").replace(":any}", "}")


def _path_item(route: Route) -> Mapping[str, Any]:
    item: dict[str, Any] = {"description": route.help}
    parameters = [
        {"name": name, "in": "path", "schema": {"type": "string"}, "required": True}
        for name in captures(route.pattern)
    ]
    if parameters:
        item["parameters"] = parameters
    if route.access in {Access.PUBLIC, Access.OPTIONAL}:
        item["x-vault-unauthenticated"] = True
    if route.access is Access.SUDO:
        item["x-vault-sudo"] = True
    if route.exists is not None:
        item["x-vault-createSupported"] = True
    for op, action in route.actions.items():
        if op in _METHODS:
            item[_METHODS[op]] = _operation(op, action)
    if Op.LIST in route.actions and Op.READ not in route.actions:
        item["get"] = _operation(Op.LIST, route.actions[Op.LIST])
    return item


def _operation(op: Op, action: Action) -> Mapping[str, Any]:
    shown: dict[str, Any] = {"responses": {"200": {"description": "OK"}}}
    properties = {name: _SCHEMAS[kind] for name, kind in _typed(action).items()}
    if op in _BODIED and properties:
        schema = {"type": "object", "properties": properties}
        shown["requestBody"] = {"content": {"application/json": {"schema": schema}}}
        return shown
    parameters = [
        {"name": name, "in": "query", "schema": schema} for name, schema in properties.items()
    ]
    if op is Op.LIST:
        listing = {"type": "string", "enum": ["true"]}
        parameters.append({"name": "list", "in": "query", "schema": listing})
    if parameters:
        shown["parameters"] = parameters
    return shown
