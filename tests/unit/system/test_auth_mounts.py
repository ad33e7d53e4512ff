"""`sys/auth`: auth methods come and go as engines do, at paths of their own."""

import pytest
from tests.unit.system.test_tune import METHOD

from custody.testing.server import MemoryServer


async def test_a_method_is_enabled_shown_used_and_disabled() -> None:
    async with MemoryServer(METHOD) as server:
        root = server.root_token
        body = {"type": "method", "description": "d", "config": {"default_lease_ttl": "1h"}}
        await server.expect(204, "POST", "sys/auth/m", token=root, body=body)
        found = (await server.expect(200, "GET", "sys/auth/m", token=root)).data
        assert (found["type"], found["description"]) == ("method", "d")
        assert found["accessor"].startswith("auth_method_")
        assert found["config"]["token_type"] == "default-service"
        assert found == (await server.expect(200, "GET", "sys/mounts/auth/m", token=root)).data
        assert "m/" in (await server.expect(200, "GET", "sys/auth", token=root)).data
        assert "m/" not in (await server.expect(200, "GET", "sys/mounts", token=root)).data
        await server.expect(200, "GET", "auth/m/x", token=root)
        await server.expect(204, "DELETE", "sys/auth/m", token=root)
        await server.expect(404, "GET", "auth/m/x", token=root)


@pytest.mark.parametrize(
    ("method", "path", "body", "text"),
    [
        ("POST", "x", {"type": "bogus"}, "plugin not found in the catalog: bogus"),
        ("POST", "x", {"type": "kv"}, "plugin not found in the catalog: kv"),
        ("POST", "x", {}, "backend type must be specified as a string"),
        ("POST", "token", {"type": "userpass"}, "path is already in use at token/"),
        ("POST", "x", {"type": "token"}, "token credential backend cannot be instantiated"),
        ("POST", "m/below", {"type": "method"}, "path is already in use at m/"),
        ("DELETE", "token", None, "token credential backend cannot be disabled"),
        ("GET", "nope", None, "No auth engine at nope/"),
    ],
)
async def test_what_cannot_be_says_why(
    method: str, path: str, body: dict[str, object] | None, text: str
) -> None:
    async with MemoryServer(METHOD) as server:
        root = server.root_token
        await server.expect(204, "POST", "sys/auth/m", token=root, body={"type": "method"})
        answer = await server.expect(400, method, f"sys/auth/{path}", token=root, body=body)
        assert answer.errors == [text]


async def test_a_method_is_no_secrets_engine() -> None:
    async with MemoryServer(METHOD) as server:
        root, body = server.root_token, {"type": "method"}
        answer = await server.expect(400, "POST", "sys/mounts/m", token=root, body=body)
        assert answer.errors == ["plugin not found in the catalog: method"]
        await server.expect(204, "DELETE", "sys/auth/nope", token=root)
