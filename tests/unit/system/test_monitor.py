"""`sys/monitor`: who may watch the log, and what may be asked of it."""

from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from custody.testing.server import HandClock, MemoryServer

MAY = 'path "sys/monitor" { capabilities = ["read"] }'
DENY = 'path "sys/monitor" { capabilities = ["deny"] }'
MAKE = 'capabilities = ["create", "update"]'


@pytest.mark.parametrize("query", ["", "?log_level=DEBUG&log_format=json", "?log_level="])
async def test_who_may_read_it_gets_lines_of_text_without_an_end_told(query: str) -> None:
    async with MemoryServer() as server:
        found = await server.expect(
            200, "GET", f"sys/monitor{query}", token=await server.token(MAY)
        )
        assert found.headers["content-type"] == "text/plain; charset=utf-8"
        assert "content-length" not in found.headers
        assert b"stopping" in found.body
        assert [one["type"] for one in server.recorder.records[-2:]] == ["request", "response"]


@pytest.mark.parametrize(
    ("query", "error"),
    [("log_level=bad", "unknown log level"), ("log_format=bad", "unknown log format")],
)
async def test_what_there_is_not_is_refused(query: str, error: str) -> None:
    async with MemoryServer() as server:
        found = await server.expect(400, "GET", f"sys/monitor?{query}", token=server.root_token)
        assert found.errors == [error]


async def test_others_are_refused() -> None:
    async with MemoryServer() as server:
        await server.expect(403, "GET", "sys/monitor", token=await server.token())
        await server.expect(405, "HEAD", "sys/monitor", token=server.root_token)


@pytest.mark.parametrize(
    "kind", [{}, {"num_uses": 1}, {"num_uses": 2}, {"type": "batch"}, {"no_parent": True}]
)
async def test_tokens_of_few_uses_and_those_that_are_not_stored_see_as_much(
    kind: dict[str, object],
) -> None:
    async with MemoryServer() as server:
        token = await server.token(MAY, **kind)
        assert await seen(server, token) == ["stopping", "stopped"]


async def seen(
    server: MemoryServer, token: str, meanwhile: Callable[[], Awaitable[object]] | None = None
) -> list[str]:
    """What a watcher reads, if something happens after the first line."""
    server.journal.meanwhile = meanwhile
    found = await server.expect(200, "GET", "sys/monitor", token=token)
    return [line.rpartition(": ")[2] for line in found.body.decode().splitlines()]


@pytest.mark.parametrize("kind", [{}, {"num_uses": 3}])
async def test_a_token_that_is_revoked_sees_no_more(kind: dict[str, object]) -> None:
    async with MemoryServer() as server:
        token = await server.token(MAY, **kind)
        revoked = partial(revoke, server, token)
        assert await seen(server, token, revoked) == ["stopping"]


@pytest.mark.parametrize("kind", [{"type": "batch"}, {"num_uses": 1}])
async def test_a_token_without_a_row_sees_no_more_once_the_one_above_it_is_revoked(
    kind: dict[str, object],
) -> None:
    async with MemoryServer() as server:
        above = await server.token(f'{MAY} path "auth/token/create" {{ {MAKE} }}')
        made = await server.expect(200, "POST", "auth/token/create", token=above, body=kind)
        token = made.json["auth"]["client_token"]
        assert await seen(server, token, partial(revoke, server, above)) == ["stopping"]


@pytest.mark.parametrize("kind", [{"num_uses": 1}, {"num_uses": 3}, {"type": "batch"}, {}])
async def test_a_token_that_expires_sees_no_more(kind: dict[str, object]) -> None:
    clock = HandClock()
    async with MemoryServer(clock=clock) as server:
        token = await server.token(MAY, ttl="1m", **kind)

        async def expire() -> None:
            clock.advance(61)

        assert await seen(server, token, expire) == ["stopping"]


@pytest.mark.parametrize("kind", [{}, {"num_uses": 1}, {"type": "batch"}])
@pytest.mark.parametrize("narrowed", ['path "sys/health" { capabilities = ["read"] }', DENY, None])
async def test_who_may_no_longer_by_policy_sees_no_more(
    narrowed: str | None, kind: dict[str, object]
) -> None:
    async with MemoryServer() as server:
        path = "sys/policies/acl/watchers"
        root = server.root_token
        await server.expect(204, "POST", path, token=root, body={"policy": MAY})
        token = await server.token("", policies=["watchers"], **kind)

        async def narrow() -> None:
            if narrowed is None:
                await server.expect(204, "DELETE", path, token=root)
            else:
                await server.expect(204, "POST", path, token=root, body={"policy": narrowed})

        assert await seen(server, token, narrow) == ["stopping"]


async def test_a_sealed_node_shows_no_more() -> None:
    async with MemoryServer() as server:
        assert await seen(server, await server.token(MAY), server.seal) == ["stopping"]


async def revoke(server: MemoryServer, token: str) -> None:
    body = {"token": token}
    await server.expect(204, "POST", "auth/token/revoke", token=server.root_token, body=body)
