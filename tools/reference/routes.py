"""docs/reference/routes.md and api/: every path, its verbs, fields and answers."""

from collections.abc import Iterator, Mapping
from typing import Any, Never, Union, get_origin

from custody.core.router import captured
from custody.plugin.fields import Described, described
from custody.plugin.route import MIB, Access, Action, Engine, Op, Route
from custody.plugin.shape import NULL, Member, arms, members, within
from custody.serve.catalog import load
from tools.reference import markdown

_PLACES = {
    "system": "sys/",
    "token": "auth/token/",
    "kv": "secret/",
    "kv-v1": "kv/",
}  # others: their kind
_VERBS = {
    Op.READ: "GET",
    Op.LIST: "LIST",
    Op.SCAN: "SCAN",
    Op.WRITE: "POST",
    Op.PATCH: "PATCH",
    Op.DELETE: "DELETE",
}
_CALLERS = {
    Access.AUTHENTICATED: "a token whose policies allow it",
    Access.SUDO: "a token with `sudo`",
    Access.OPTIONAL: "anyone; a token is checked where one is given",
    Access.PUBLIC: "anyone",
}
_TYPES: Mapping[object, str] = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    NULL: "null",
    Any: "any",
}  # others: objects
_KIB = 1024
_KINDS = {
    "slice": "array of string",
    "keypair": "object of string",
    "map": "object",
    "int": "number",
    "float": "number",
    "bool": "boolean",
    "duration (sec)": "duration",
}  # others: same
_TEXT = """\
Every path begins with `/v1/`. PUT is the same as POST, and `GET …?list=true` the same as LIST.
`?help=1` on a path shows its help on a running server, and `sys/internal/specs/openapi` describes
all of them as OpenAPI."""
_FIELDS = """\
Fields are those of the JSON body, of GET, LIST and DELETE those of the query; what is not named
here is taken and warned about. A duration is seconds as a number or text such as `90s` and `1h30m`;
an array of string may be one text with commas, an object of string an array of `name=value`.
Answers are the fields of `data`; where none are named, there are no data.
[Routes](../routes.md) is the short list, [Errors](../errors.md) tells what else may come."""


def page() -> str:
    """The short list of all."""
    parts = [markdown.head("Routes", _TEXT)]
    return "\n".join([*parts, *(_section(kind, engine) for kind, engine in load().items())])


def pages() -> Iterator[tuple[str, str]]:
    """For each engine its kind, and a page with all there is to say of its routes."""
    for kind, engine in load().items():
        place = _place(kind)
        parts = [markdown.head(f"API of {kind}", f"{_about(place, engine)}\n\n{_FIELDS}")]
        parts += [_route(place, route) for route in engine.routes]
        yield kind, "\n".join(parts)


def _section(kind: str, engine: Engine) -> str:
    place = _place(kind)
    rows = markdown.table(
        ("path", "verbs", "who may call", "what it is"),
        (_row(place, route) for route in engine.routes),
    )
    about = f"{_about(place, engine)} [All fields](api/{kind}.md)."
    return f"## {kind}\n\n{about}\n\n{rows}"


def _place(kind: str) -> str:
    return _PLACES.get(kind, f"{kind}/")


def _about(place: str, engine: Engine) -> str:
    return engine.help if engine.system else f"{engine.help} Shown as mounted at `{place}`."


def _row(place: str, route: Route) -> tuple[str, str, str, str]:
    verbs = ", ".join(_VERBS[op] for op in route.actions)
    callers = {action.access or route.access for action in route.actions.values()}
    words = "; ".join(_CALLERS[access] for access in Access if access in callers)
    return markdown.code(place + route.pattern), verbs, words, route.help


def _route(place: str, route: Route) -> str:
    parts = [f"## `{place}{route.pattern}`\n", f"{route.help}{_notes(route)}\n"]
    if taken := captured(route):
        parts.append("\n".join(f"- `{name}`: {one.about}" for name, one in taken.items()))
    parts += [_verb(route, op, action) for op, action in route.actions.items()]
    return "\n".join(parts)


def _notes(route: Route) -> str:
    notes = []
    if route.max_body != MIB:
        notes.append(f"Bodies of up to {route.max_body // _KIB} KiB.")
    if route.sealed:
        notes.append("Answers while the node is sealed.")
    if route.raw:
        notes.append("The answer has no envelope.")
    return "".join(f" {note}" for note in notes)


def _verb(route: Route, op: Op, action: Action) -> str:
    caller = _CALLERS[action.access or route.access]
    lines = [f"- **{_VERBS[op]}** {action.summary} *({caller})*".replace("**  *", "** *")]
    if action.free:
        lines.append("    - fields: what is to be stored")
    elif fields := described(action.body):
        lines.append("    - fields:")
        lines += [f"        - {_field(name, one)}" for name, one in fields.items()]
    lines += _answer(action)
    lines += [f"    - status {status}: {text}" for status, text in action.statuses.items()]
    return "\n".join(lines) + "\n"


def _field(name: str, field: Described) -> str:
    kind = _KINDS.get(field.kind, field.kind)
    return f"`{name}` {kind}{', required' * field.required}: {field.told}"


def _answer(action: Action) -> Iterator[str]:
    if action.grants:
        yield f"    - answer: a token, in `auth`{'; or' if action.shows else ''}"
    if action.shows not in {None, NULL}:
        yield from _shape("answer", action.shows, 1)


def _shape(what: str, shape: object, depth: int) -> Iterator[str]:
    """Lines that tell a shape: each of its arms, and below it what stands inside."""
    for number, arm in enumerate(arms(shape)):
        head = "or" if number else what
        fields = members(arm)
        yield f"{'    ' * depth}- {head}: {_named(fields) or _type(arm)}"
        inside = [(f"`{name}`", one.shape) for name, one in fields.items()] or [("it", arm)]
        for name, one in inside:
            yield from _inside(name, one, depth + 1)


def _inside(name: str, shape: object, depth: int) -> Iterator[str]:
    """The same of what has fields in it, through lists and objects with free names."""
    told = [arm for arm in arms(shape) if members(arm)]
    if told:
        yield from _shape(name, Union[tuple(told)], depth)  # noqa: UP007 - made of what there is
    for arm in arms(shape):
        if (inner := within(arm)) is not None:
            yield from _inside(f"each of {name}", inner, depth)


def _named(fields: Mapping[str, Member]) -> str:
    return ", ".join(
        f"`{name}` {_type(one.shape)}{'' if one.always else ' (not always)'}"
        for name, one in fields.items()
    )


def _type(shape: object) -> str:
    kinds = arms(shape)
    if len(kinds) > 1:
        return " or ".join(dict.fromkeys(_type(one) for one in kinds))
    inner = within(shape)
    if inner is None:
        return _TYPES.get(shape, "object")
    kind = "array" if get_origin(shape) is list else "object"
    return f"{kind}, empty" if inner is Never else f"{kind} of {_type(inner)}"
