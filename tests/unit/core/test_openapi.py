"""OpenAPI of the route tables: valid in both versions, and with all that the tables say."""

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired, TypedDict

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator
from tests.unit.system.test_tune import METHOD, answer

from custody.core.openapi import Mounted, answers, document, modern
from custody.core.router import captured
from custody.plugin.fields import Fields, described
from custody.plugin.route import Access, Engine, Op, Route, reads
from custody.serve import catalog
from custody.testing.server import MemoryServer

METHODS = {
    Op.READ: "get", Op.LIST: "get", Op.SCAN: "get", Op.WRITE: "post", Op.PATCH: "patch",
    Op.DELETE: "delete",
}  # fmt: skip
PATH = "sys/internal/specs/openapi"
ENGINES = list(catalog.load().values())


def of(engine: Engine) -> Mapping[str, Any]:
    return document([Mounted(engine, "m/", engine.routes)], "T", "D.")


def plain(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.kind)
def test_every_table_makes_a_valid_document(engine: Engine) -> None:
    made = plain(of(engine))
    OpenAPIV30SpecValidator(made).validate()
    OpenAPIV31SpecValidator(plain(modern(made))).validate()


async def test_the_whole_api_is_a_valid_document_in_both_versions() -> None:
    async with MemoryServer(METHOD) as server:
        root = server.root_token
        await server.expect(204, "POST", "sys/auth/m", token=root, body={"type": "method"})
        old = (await server.expect(200, "GET", PATH, token=root)).json
        assert old["openapi"] == "3.0.2"
        OpenAPIV30SpecValidator(old).validate()
        new = (
            await server.expect(200, "POST", f"{PATH}", token=root, body={"version": "3.1"})
        ).json
        assert new["openapi"] == "3.1.0"
        OpenAPIV31SpecValidator(new).validate()
        assert "nullable" not in str(new)
        assert {"/secret/data/{path}", "/auth/token/create", "/auth/m/x"} <= old["paths"].keys()
        generic = (
            await server.expect(200, "GET", f"{PATH}?generic_mount_paths=true", token=root)
        ).json
        OpenAPIV30SpecValidator(generic).validate()
        paths = {"/{kv_mount_path}/data/{path}", "/auth/{method_mount_path}/x", "/sys/mounts"}
        assert paths <= generic["paths"].keys()


async def test_a_caller_sees_the_mounts_that_it_may_touch_and_a_stranger_none() -> None:
    async with MemoryServer() as server:
        token = await server.token(
            'path "secret/data/a" { capabilities = ["read"] }', no_default_policy=True
        )
        paths = (await server.expect(200, "GET", PATH, token=token)).json["paths"]
        assert paths
        assert all(path.startswith("/secret/") for path in paths)
        assert (await server.expect(200, "GET", PATH)).json["paths"] == {}


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.kind)
def test_every_route_verb_field_and_type_is_in_it(engine: Engine) -> None:
    made = of(engine)
    seen = set()
    for route in engine.routes:
        path = "/m/" + route.pattern.replace("...}", "}").replace(":any}", "}")
        assert path not in seen, "a path twice would hide the second"
        seen.add(path)
        item = made["paths"][path]
        in_path = {one["name"]: one["description"] for one in item.get("parameters", ())}
        assert in_path == {name: one.about for name, one in captured(route).items()}
        for op, action in route.actions.items():
            operation = item[METHODS[op]]
            assert {"403", "404", "500"} <= operation["responses"].keys()
            if any(answers(action)):
                assert {"200", "204"} & operation["responses"].keys()
            names = {one["name"] for one in operation.get("parameters", ())}
            if op in {Op.LIST, Op.SCAN}:
                assert op.value in names
            if (action.access or route.access) is Access.SUDO:
                assert item.get("x-vault-sudo") or operation.get("x-vault-sudo")
            if action.body is None:
                continue
            told = {name: one.about for name, one in described(action.body).items()}
            if op in {Op.WRITE, Op.PATCH}:
                (media,) = operation["requestBody"]["content"].values()
                name = media["schema"]["$ref"].rpartition("/")[2]
                shown = made["components"]["schemas"][name]["properties"]
                assert {one: shown[one]["description"] for one in shown} == told
            else:
                queried = {name: told[name] for name in told if name not in in_path}
                shown = {one["name"]: one["description"] for one in operation["parameters"]}
                assert shown.items() >= queried.items()


def test_no_two_operations_have_one_name() -> None:
    made = document([Mounted(one, f"{one.kind}/", one.routes) for one in ENGINES], "T", "D.")
    names = [
        operation["operationId"]
        for item in made["paths"].values()
        for operation in item.values()
        if isinstance(operation, Mapping)
    ]
    assert len(names) == len(set(names)) > 100


class Part(TypedDict):
    """Something inside."""

    count: int


class Whole(TypedDict):
    """Something with all that a shape may have."""

    parts: dict[str, list[Part]]
    either: str | int | None
    perhaps: NotRequired[Part | None]


def test_a_shape_is_told_with_what_stands_inside_and_what_may_be_left_out() -> None:
    route = Route("x", {Op.READ: reads(answer, shows=Whole)}, help="Something.")
    made = of(Engine("made", (route,)))["components"]["schemas"]["MadeXGetResponse"]
    part = {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}
    parts = {"type": "object", "additionalProperties": {"type": "array", "items": part}}
    null = {"type": "object", "nullable": True}
    either = {"anyOf": [{"type": "string"}, {"type": "integer"}, null]}
    assert made == {
        "type": "object",
        "properties": {"parts": parts, "either": either, "perhaps": {**part, "nullable": True}},
        "required": ["parts", "either"],
    }


class Asked(Fields, frozen=True, kw_only=True):
    """What may be asked for."""

    name: Annotated[str, "Who it is."]
    size: Annotated[int, "How large it is."] = 3
    empty: Annotated[str, "What is in it."] = ""


def test_a_field_is_told_with_what_it_is_for_its_default_and_whether_it_must_be_there() -> None:
    route = Route("x", {Op.WRITE: reads(answer, Asked)}, help="Something.")
    assert of(Engine("made", (route,)))["components"]["schemas"]["MadeXPostRequest"] == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "Who it is."},
            "size": {"type": "integer", "description": "How large it is.", "default": 3},
            "empty": {"type": "string", "description": "What is in it."},
        },
        "required": ["name"],
    }
