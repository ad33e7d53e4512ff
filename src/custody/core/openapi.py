"""OpenAPI of route tables: every route, verb, field, type and response, told from what answers it.

Written as 3.0.2 with Vault's x-vault-* extensions; `modern` makes 3.1 of it. LIST and SCAN, which
OpenAPI has no verbs for, are GET with `list` or `scan`, as clients may spell them.
"""

import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from custody import __version__
from custody.core.envelope import Envelope, Errors
from custody.core.router import captured
from custody.plugin.fields import Described, described
from custody.plugin.request import Reply
from custody.plugin.route import Access, Action, Engine, Op, Route
from custody.plugin.shape import NULL, arms, members, within

Schema = Mapping[str, Any]
_METHODS: Final = {
    Op.READ: "get",
    Op.LIST: "get",
    Op.SCAN: "get",
    Op.WRITE: "post",
    Op.PATCH: "patch",
    Op.DELETE: "delete",
}
_LISTING: Final = (Op.LIST, Op.SCAN)
_BODIED: Final = frozenset((Op.WRITE, Op.PATCH))
_FIELDS: Final[Mapping[str, Schema]] = {
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
_PLAIN: Final[Mapping[Any, Schema]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    NULL: {"type": "object", "nullable": True},
}
_JSON: Final = "application/json"
_WORD: Final = re.compile(r"[^a-zA-Z0-9]+")


@dataclass(frozen=True, slots=True)
class Mounted:
    """An engine where it answers. `prefix` is its path, with a slash at the end, or empty; it may
    name a parameter in braces."""

    engine: Engine
    prefix: str
    routes: Sequence[Route]


def document(mounted: Iterable[Mounted], title: str, description: str) -> dict[str, Any]:
    """The whole document, in OpenAPI 3.0.2."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = dict(_SCHEMAS)
    for place in mounted:
        for route in place.routes:
            path = "/" + place.prefix + _template(route.pattern)
            if path not in paths:
                paths[path] = _PathItem(place, route, schemas).build()
    return {
        "openapi": "3.0.2",
        "info": {
            "title": title,
            "description": f"{description} All API routes are prefixed with `/v1/`.",
            "version": __version__,
            "license": {
                "name": "Apache License 2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "servers": [{"url": "/v1"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": _RESPONSES,
            "securitySchemes": _SECURITY,
        },
    }


def modern(value: Any) -> Any:
    """The same document in OpenAPI 3.1."""
    if isinstance(value, list | tuple):
        return [modern(one) for one in value]
    if not isinstance(value, Mapping):
        return "3.1.0" if value == "3.0.2" else value
    made = {key: modern(one) for key, one in value.items() if key != "nullable"}
    if value.get("nullable") is True and "type" in made:
        made["type"] = [made["type"], "null"]
    return made


class _PathItem:
    """One route's item, and what it adds to the schemas."""

    def __init__(self, place: Mounted, route: Route, schemas: dict[str, Any]) -> None:
        self._engine = place.engine
        self._route = route
        self._schemas = schemas
        words = _WORD.sub(" ", f"{place.engine.kind} {route.pattern.replace(':any', '')}").split()
        self._words = [word.lower() for word in words]
        self._parameters = {
            **dict.fromkeys(_named(place.prefix), "Where the engine is mounted."),
            **{name: one.about for name, one in captured(route).items()},
        }

    def build(self) -> Schema:
        """The item."""
        route = self._route
        item: dict[str, Any] = {"description": route.help}
        if self._parameters:
            item["parameters"] = [_path_parameter(*one) for one in self._parameters.items()]
        if route.access in {Access.PUBLIC, Access.OPTIONAL}:
            item["x-vault-unauthenticated"] = True
        if route.access is Access.SUDO:
            item["x-vault-sudo"] = True
        if route.exists is not None:
            item["x-vault-createSupported"] = True
        by_method: dict[str, list[Op]] = {}
        for op in route.actions:
            by_method.setdefault(_METHODS[op], []).append(op)
        for method, ops in by_method.items():
            item[method] = self._operation(method, ops)
        if route.head:
            item["head"] = self._operation("head", [Op.READ])
        return item

    def _operation(self, method: str, ops: Sequence[Op]) -> Schema:
        actions = [self._route.actions[op] for op in ops]
        shown: dict[str, Any] = {
            "summary": " ".join(action.summary for action in actions),
            "operationId": "-".join([method, *self._words]),
            "tags": [_tag(self._engine)],
            "responses": self._responses(actions, method),
        }
        access = {action.access or self._route.access for action in actions}
        if access <= {Access.PUBLIC, Access.OPTIONAL}:
            shown["security"] = [{}, {"token": []}]
        if self._route.access is not Access.SUDO and Access.SUDO in access:
            shown["x-vault-sudo"] = True
        if ops[0] in _BODIED:
            self._add_body(shown, actions[0], ops[0])
        else:
            self._add_query(shown, ops)
        return shown

    def _add_body(self, shown: dict[str, Any], action: Action, op: Op) -> None:
        if self._route.upload:
            binary = {"schema": {"type": "string", "format": "binary"}}
            shown["requestBody"] = {"required": True, "content": {"application/gzip": binary}}
            return
        fields = described(action.body)
        if action.free:
            schema: Schema = {"type": "object"}
        elif fields:
            name = self._component(op, "Request")
            self._schemas[name] = _request(fields)
            schema = _ref(name)
        else:
            return
        media = "application/merge-patch+json" if op is Op.PATCH else _JSON
        shown["requestBody"] = {
            "required": any(one.required for one in fields.values()),
            "content": {media: {"schema": schema}},
        }

    def _add_query(self, shown: dict[str, Any], ops: Sequence[Op]) -> None:
        listing = [op for op in ops if op in _LISTING]
        parameters = [
            {
                "name": op.value,
                "in": "query",
                "schema": {"type": "string", "enum": ["true"]},
                "required": len(ops) == 1,
                "description": f"Asks for {op.value.upper()}.",
            }
            for op in listing
        ]
        known: dict[str, Described] = {}
        for op in ops:
            known |= described(self._route.actions[op].body)
        parameters += [
            {
                "name": name,
                "in": "query",
                "schema": _field(one),
                "required": False,
                "description": one.about,
            }
            for name, one in known.items()
            if name not in self._parameters
        ]
        if parameters:
            shown["parameters"] = parameters

    def _responses(self, actions: Sequence[Action], method: str) -> Schema:
        found: dict[str, Any] = {}
        for action in actions:
            for status, description in action.statuses.items():
                found[str(status)] = self._success(actions, description, method)
        kinds = [answers(action) for action in actions]
        if any(reply for reply, _ in kinds):
            found.setdefault("200", self._success(actions, "OK", method))
        elif any(nothing for _, nothing in kinds):
            found.setdefault("200", _envelope("OK, with warnings", _ref("Envelope")))
        if any(nothing for _, nothing in kinds):
            found["204"] = {"description": "Done; there is nothing to say."}
        if method == "head":
            found = {status: {"description": one["description"]} for status, one in found.items()}
        return {**found, **_ERRORS}

    def _success(self, actions: Sequence[Action], description: str, method: str) -> Schema:
        media = {kind for action in actions for kind in action.media}
        content: dict[str, Any] = {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in sorted(media - {_JSON})
        }
        if _JSON in media:
            content[_JSON] = {"schema": self._data(actions, method)}
        return {"description": description, "content": content}

    def _data(self, actions: Sequence[Action], method: str) -> Schema:
        """The schema of a JSON answer: the envelope and what its data are, or the data alone."""
        shapes = dict.fromkeys(NULL if one.shows is None else one.shows for one in actions)
        if set(shapes) == {NULL}:
            return _ref("Envelope")
        name = self._component_of(method, "Response")
        self._schemas[name] = _any_of([_schema_of(one) for one in shapes])
        if self._route.raw:
            return _ref(name)
        data = {"type": "object", "properties": {"data": _ref(name)}}
        return {"allOf": [_ref("Envelope"), data]}

    def _component(self, op: Op, suffix: str) -> str:
        return self._component_of(_METHODS[op], suffix)

    def _component_of(self, method: str, suffix: str) -> str:
        return "".join(word.capitalize() for word in [*self._words, method]) + suffix


def _template(pattern: str) -> str:
    return pattern.replace("...}", "}").replace(":any}", "}")


def _named(prefix: str) -> list[str]:
    return re.findall(r"\{(\w+)\}", prefix)


def _path_parameter(name: str, about: str) -> Schema:
    schema = {"type": "string"}
    return {"name": name, "in": "path", "required": True, "schema": schema, "description": about}


def _tag(engine: Engine) -> str:
    if engine.system:
        return "auth" if engine.kind == "token" else "system"
    return "auth" if engine.auth else "secrets"


def _request(fields: Mapping[str, Described]) -> Schema:
    """The schema of a body."""
    made: dict[str, Any] = {
        "type": "object",
        "properties": {
            name: {**_field(one), "description": one.about} for name, one in fields.items()
        },
    }
    if required := [name for name, one in fields.items() if one.required]:
        made["required"] = required
    return made


def _field(field: Described) -> Schema:
    schema = _FIELDS[field.kind]
    return schema if field.default is None else {**schema, "default": field.default}


def answers(action: Action) -> tuple[bool, bool]:
    """Whether the handler may answer with something, and with nothing: as its annotation says."""
    hint = getattr(action.run, "__annotations__", {}).get("return", Reply | None)
    kinds = arms(hint)
    return Reply in kinds, None in kinds or NULL in kinds


def _schema_of(shape: Any) -> Schema:
    kinds = arms(shape)
    if len(kinds) > 1:
        told = [one for one in kinds if one is not NULL]
        if len(told) == 1:
            return {**_schema_of(told[0]), "nullable": True}
        return _any_of([_schema_of(one) for one in kinds])
    if typing.is_typeddict(shape):
        return _object(shape)
    origin, inner = typing.get_origin(shape), within(shape)
    if origin is list:
        return {"type": "array", "items": _schema_of(inner)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema_of(inner)}
    return _PLAIN.get(shape, {})


def _object(shape: Any) -> Schema:
    """The schema of a shape with fields."""
    fields = members(shape)
    made: dict[str, Any] = {
        "type": "object",
        "properties": {name: _schema_of(one.shape) for name, one in fields.items()},
    }
    if required := [name for name, one in fields.items() if one.always]:
        made["required"] = required
    return made


def _any_of(schemas: Sequence[Schema]) -> Schema:
    return schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _envelope(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {_JSON: {"schema": schema}}}


_SCHEMAS: Final[Mapping[str, Schema]] = {
    "Error": _object(Errors),
    "Envelope": _object(Envelope),
}
_EITHER: Final = {"anyOf": [_ref("Error"), _ref("Envelope")]}
_RESPONSES: Final[Mapping[str, Schema]] = {
    "BadRequest": _envelope("The request is not one that can be carried out.", _EITHER),
    "Forbidden": _envelope("No valid token, or its policies do not allow it.", _ref("Error")),
    "NotFound": _envelope("There is nothing there.", _EITHER),
    "Refused": _envelope("Refused: the verb, its media type, or a limit.", _ref("Error")),
    "Failed": _envelope("Not done: sealed, not recorded, or damaged.", _ref("Error")),
}
_ERRORS: Final[Mapping[str, Schema]] = {
    status: {"$ref": f"#/components/responses/{name}"}
    for status, name in (
        ("400", "BadRequest"),
        ("403", "Forbidden"),
        ("404", "NotFound"),
        ("405", "Refused"),
        ("408", "Refused"),
        ("413", "Refused"),
        ("414", "Refused"),
        ("415", "Refused"),
        ("431", "Refused"),
        ("500", "Failed"),
        ("503", "Failed"),
        ("507", "Failed"),
    )
}
_SECURITY: Final[Mapping[str, Schema]] = {
    "token": {"type": "apiKey", "in": "header", "name": "X-Vault-Token"}
}
