"""`sys/config/cors`, and what it does to requests of pages."""

import pytest

from custody.core.cors import STANDARD_HEADERS
from custody.testing.server import MemoryServer, Response

PAGE = "https://app.example.com"


async def asked(server: MemoryServer, method: str, origin: str, wanted: str = "") -> Response:
    """A request for a secret, with the root token, from a page of `origin`."""
    headers = [("origin", origin)]
    if wanted:
        headers.append(("access-control-request-method", wanted))
    token = "" if method == "OPTIONS" else server.root_token
    return await server.call(method, "secret/data/a", token=token, headers=headers)


async def allow(server: MemoryServer, **body: object) -> None:
    await server.expect(204, "POST", "sys/config/cors", token=server.root_token, body=body)


async def read(server: MemoryServer) -> object:
    found = await server.expect(200, "GET", "sys/config/cors", token=server.root_token)
    assert found.json["enabled"] == found.data["enabled"]
    return found.data


async def test_origins_are_not_looked_at_until_some_are_named() -> None:
    async with MemoryServer() as server:
        assert await read(server) == {"enabled": False}
        answer = await asked(server, "GET", "https://any.example.com")
        assert answer.status == 404
        assert "access-control-allow-origin" not in answer.headers
        assert (await asked(server, "OPTIONS", PAGE, "GET")).status == 400


async def test_what_is_allowed_is_read_back_whole() -> None:
    async with MemoryServer() as server:
        await allow(server, allowed_origins=f"{PAGE},https://b.c", allowed_headers=["X-Q"])
        assert await read(server) == {
            "enabled": True,
            "allowed_origins": [PAGE, "https://b.c"],
            "allowed_headers": [*STANDARD_HEADERS, "X-Q"],
            "allow_credentials": False,
        }
        root = server.root_token
        await server.expect(204, "DELETE", "sys/config/cors", token=root)
        assert await read(server) == {"enabled": False}


async def test_a_named_origin_may_read_answers_and_refusals() -> None:
    async with MemoryServer() as server:
        await allow(server, allowed_origins=[PAGE], allow_credentials=True)
        for answer in (await asked(server, "GET", PAGE), await asked(server, "LIST", PAGE)):
            assert answer.headers["access-control-allow-origin"] == PAGE
            assert answer.headers["vary"] == "Origin"
            assert answer.headers["access-control-allow-credentials"] == "true"
        health = await server.call("GET", "sys/health", headers=[("origin", PAGE)])
        assert (health.status, health.headers["access-control-allow-origin"]) == (200, PAGE)


@pytest.mark.parametrize("path", ["secret/data/a", "sys/health", "sys/nope", "secret/%2e%2e/x"])
async def test_any_other_origin_is_refused_whatever_it_asks_for(path: str) -> None:
    async with MemoryServer() as server:
        await allow(server, allowed_origins=[PAGE])
        for method in ("GET", "OPTIONS", "POST"):
            answer = await server.call(
                method, path, token=server.root_token, headers=[("origin", f"{PAGE}.evil.com")]
            )
            assert (answer.status, answer.errors) == (403, ["origin not allowed"])
            assert "access-control-allow-origin" not in answer.headers


async def test_a_write_of_another_origin_changes_nothing() -> None:
    async with MemoryServer() as server:
        await allow(server, allowed_origins=[PAGE])
        root, body = server.root_token, {"data": {"k": "v"}}
        evil = [("origin", "https://evil.com")]
        answer = await server.call("POST", "secret/data/a", token=root, body=body, headers=evil)
        assert answer.status == 403
        await server.expect(404, "GET", "secret/data/a", token=root)


async def test_a_browser_that_asks_first_is_told_methods_and_headers() -> None:
    async with MemoryServer() as server:
        await allow(server, allowed_origins="*", allowed_headers="X-Q")
        answer = await asked(server, "OPTIONS", PAGE, "LIST")
        assert (answer.status, answer.body) == (200, b"")
        found = answer.headers
        assert found["access-control-allow-origin"] == PAGE
        assert found["access-control-allow-methods"] == "DELETE,GET,OPTIONS,POST,PUT,LIST,SCAN"
        assert found["access-control-allow-headers"] == ",".join((*STANDARD_HEADERS, "X-Q"))
        assert found["access-control-max-age"] == "300"
        refused = await asked(server, "OPTIONS", PAGE, "PATCH")
        assert (refused.status, refused.body) == (405, b"")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "at least one origin or the wildcard must be provided"),
        (
            {"allowed_origins": ["*", PAGE]},
            "to allow all origins the '*' must be the only value for allowed_origins",
        ),
        (
            {"allowed_origins": "*", "allow_credentials": True},
            "allow_credentials needs origins that are named one by one",
        ),
        (
            {"allowed_origins": ["a\r\nb"]},
            "an origin or a header holds characters that no header may have",
        ),
        (
            {"allowed_origins": [PAGE], "allowed_headers": ["ü"]},
            "an origin or a header holds characters that no header may have",
        ),
        (
            {"allowed_origins": ["x"] * 101},
            "more than 100 origins or headers are not supported",
        ),
    ],
)
async def test_what_cannot_be_allowed_says_why(body: dict[str, object], text: str) -> None:
    async with MemoryServer() as server:
        root = server.root_token
        answer = await server.expect(400, "POST", "sys/config/cors", token=root, body=body)
        assert answer.errors == [f"1 error occurred:\n\t* {text}\n\n"]
