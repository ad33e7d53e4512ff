"""Headers that operators name: those of the user interface, and those in audit records."""

import pytest

from custody.testing.server import MemoryServer

UI = "sys/config/ui/headers"
AUDIT = "sys/config/auditing/request-headers"


async def test_a_header_of_the_user_interface() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        await server.expect(404, "LIST", UI, token=root)
        body = {"values": ["a", "b"]}
        await server.expect(200, "POST", f"{UI}/X-Foo", token=root, body=body)
        assert (await server.expect(200, "GET", f"{UI}/X-Foo", token=root)).data == {"value": "a"}
        both = await server.expect(200, "GET", f"{UI}/x-foo?multivalue=true", token=root)
        assert both.data == body
        assert (await server.expect(200, "LIST", UI, token=root)).data == {"keys": ["X-Foo"]}
        await server.expect(204, "DELETE", f"{UI}/X-Foo", token=root)
        await server.expect(404, "GET", f"{UI}/X-Foo", token=root)


@pytest.mark.parametrize(
    ("name", "body", "text"),
    [
        ("X-Vault-Foo", {"values": ["a"]}, "X-Vault headers cannot be set"),
        ("X-Foo", {}, "header and values must be specified"),
        ("X-Foo", {"values": ["a\r\nSet-Cookie: b"]},
         "header or values contain characters that no header may have"),
        ("X(Foo", {"values": ["a"]},
         "header or values contain characters that no header may have"),
    ],
)  # fmt: skip
async def test_what_is_no_header_says_why(name: str, body: dict[str, object], text: str) -> None:
    async with MemoryServer() as server:
        root = server.root_token
        answer = await server.expect(400, "POST", f"{UI}/{name}", token=root, body=body)
        assert answer.errors == [text]


async def test_an_audited_header_is_in_records_hashed_or_clear() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        assert (await server.expect(200, "GET", AUDIT, token=root)).data == {"headers": {}}
        for name, hashed in (("X-Shown", False), ("X-Hashed", True)):
            body = {"hmac": hashed}
            await server.expect(204, "POST", f"{AUDIT}/{name}", token=root, body=body)
        found = await server.expect(200, "GET", f"{AUDIT}/X-Shown", token=root)
        assert found.data == {"X-Shown": {"hmac": False}}
        listed = await server.expect(200, "GET", AUDIT, token=root)
        assert listed.data == {"headers": {"x-shown": {"hmac": False}, "x-hashed": {"hmac": True}}}
        assert listed.json["headers"] == listed.data["headers"]
        server.recorder.lines.clear()
        sent = [("X-Shown", "s"), ("X-Hashed", "h"), ("X-Other", "o")]
        await server.expect(200, "GET", "sys/mounts", token=root, headers=sent)
        for record in server.recorder.records:
            headers = record["request"]["headers"]
            assert headers["x-shown"] == ["s"]
            assert headers["x-hashed"][0].startswith("hmac-sha256:")
            assert headers.keys() == {"x-shown", "x-hashed"}
        for name in ("X-Shown", "X-Hashed", "nope"):
            await server.expect(204, "DELETE", f"{AUDIT}/{name}", token=root)
        server.recorder.lines.clear()
        await server.expect(200, "GET", "sys/mounts", token=root, headers=sent)
        assert "x-shown" not in str(server.recorder.records)


async def test_an_unknown_audited_header() -> None:
    async with MemoryServer() as server:
        answer = await server.expect(400, "GET", f"{AUDIT}/nope", token=server.root_token)
        assert answer.errors == ["Could not find header in config"]


async def test_a_token_is_never_shown_in_clear() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        for name in ("X-Vault-Token", "Authorization"):
            body = {"hmac": False}
            await server.expect(400, "POST", f"{AUDIT}/{name}", token=root, body=body)
        await server.expect(204, "POST", f"{AUDIT}/X-Vault-Token", token=root, body={"hmac": True})
        server.recorder.lines.clear()
        await server.expect(200, "GET", "sys/mounts", token=root)
        assert root.encode() not in b"".join(server.recorder.lines)
        assert b'"x-vault-token"' in b"".join(server.recorder.lines)
