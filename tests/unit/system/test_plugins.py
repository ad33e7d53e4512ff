"""`sys/plugins`: the catalogue of what is built in."""

import pytest
from tests.unit.system.test_tune import METHOD

from custody.testing.server import MemoryServer


async def test_the_catalogue_has_every_kind_once() -> None:
    async with MemoryServer(METHOD) as server:
        root = server.root_token
        found = (await server.expect(200, "GET", "sys/plugins/catalog", token=root)).data
        assert (found["auth"], found["database"], found["secret"]) == (["method"], [], ["kv"])
        assert [(one["type"], one["name"]) for one in found["detailed"]] == [
            ("auth", "method"), ("secret", "kv"),
        ]  # fmt: skip
        assert found["detailed"][0].keys() == {
            "builtin", "deprecation_status", "name", "type", "version",
        }  # fmt: skip
        listed = await server.expect(200, "LIST", "sys/plugins/catalog/auth", token=root)
        assert listed.data == {"keys": ["method"]}
        await server.expect(404, "LIST", "sys/plugins/catalog/database", token=root)
        await server.expect(405, "LIST", "sys/plugins/catalog/bogus", token=root)
        shown = (await server.expect(200, "GET", "sys/plugins/catalog/secret/kv", token=root)).data
        assert shown.keys() == {
            "args", "builtin", "command", "declarative", "deprecation_status", "name", "oci",
            "sha256", "version",
        }  # fmt: skip
        assert (shown["name"], shown["builtin"]) == ("kv", True)
        await server.expect(404, "GET", "sys/plugins/catalog/secret/nope", token=root)


async def test_a_plugin_without_a_type_is_warned_of() -> None:
    async with MemoryServer() as server:
        found = await server.expect(200, "GET", "sys/plugins/catalog/kv", token=server.root_token)
        text = 'Deprecated API endpoint, cannot read plugin information from catalog for "kv"'
        assert found.warnings == [text]


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("catalog/secret/mine", {}, "missing SHA-256 value"),
        ("catalog/secret/mine", {"sha256": "aa", "command": "x"},
         "could not set plugin, plugin directory is not configured"),
        ("reload/backend", {}, "plugin or mounts must be provided"),
        ("reload/backend", {"plugin": "kv", "mounts": "a"},
         "plugin and mounts cannot be set at the same time"),
        ("reload/backend", {"mounts": "nope"}, 'cannot fetch mount entry on "nope/"'),
    ],
)  # fmt: skip
async def test_what_cannot_be_says_why(path: str, body: dict[str, object], text: str) -> None:
    async with MemoryServer() as server:
        root = server.root_token
        answer = await server.expect(400, "POST", f"sys/plugins/{path}", token=root, body=body)
        assert answer.errors == [text]


async def test_reloading_what_is_built_in_is_done_at_once() -> None:
    async with MemoryServer() as server:
        root, path = server.root_token, "sys/plugins/reload/backend"
        for body in ({"plugin": "kv"}, {"mounts": ["secret/"]}):
            made = await server.expect(200, "POST", path, token=root, body=body)
            assert made.data["reload_id"]
        await server.expect(204, "DELETE", "sys/plugins/catalog/secret/mine", token=root)
