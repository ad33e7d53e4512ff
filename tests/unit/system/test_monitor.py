"""`sys/monitor`: who may watch the log, and what may be asked of it."""

import pytest

from custody.testing.server import MemoryServer

MAY = 'path "sys/monitor" { capabilities = ["read"] }'


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


@pytest.mark.parametrize("kind", [{"num_uses": 1}, {"num_uses": 2}, {"type": "batch"}])
async def test_tokens_of_few_uses_and_those_that_are_not_stored_see_as_much(
    kind: dict[str, object],
) -> None:
    async with MemoryServer() as server:
        token = await server.token(MAY, **kind)
        found = await server.expect(200, "GET", "sys/monitor", token=token)
        assert b"stopping" in found.body
