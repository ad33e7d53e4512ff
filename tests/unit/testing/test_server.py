import asyncio
from collections.abc import Awaitable, Callable

import pytest

from custody.base.errors import BadRequest
from custody.testing.server import HandClock, MemoryServer


def on_server(test: Callable[[MemoryServer], Awaitable[None]]) -> None:
    async def main() -> None:
        async with MemoryServer() as server:
            await test(server)

    asyncio.run(main())


def test_a_secret_goes_in_and_comes_out_recorded() -> None:
    async def test(server: MemoryServer) -> None:
        token = await server.token('path "secret/*" { capabilities = ["create", "read"] }')
        body = {"data": {"user": "planted"}}
        await server.expect(200, "POST", "secret/data/app", token=token, body=body)
        answer = await server.call("GET", "secret/data/app", token=token)
        assert answer.data["data"] == {"user": "planted"}
        assert [record["type"] for record in server.recorder.records[-2:]] == [
            "request",
            "response",
        ]
        assert not any(b"planted" in line for line in server.recorder.lines)
        assert server.counters.totals()["requests_2xx"] > 0

    on_server(test)


def test_without_its_device_it_says_nothing() -> None:
    async def test(server: MemoryServer) -> None:
        server.recorder.broken = True
        assert (await server.call("GET", "sys/mounts", token=server.root_token)).status == 500
        assert (await server.call("GET", "sys/health")).status == 200

    on_server(test)


def test_it_seals_and_unseals_share_by_share() -> None:
    async def main() -> None:
        server = MemoryServer()
        assert (await server.call("GET", "sys/health")).status == 501
        await server.initialise(shares=3, threshold=2)
        assert (await server.call("GET", "sys/health")).status == 503
        await server.unseal()
        await server.expect(204, "POST", "sys/rotate", token=server.root_token)
        await server.seal()
        assert (await server.call("GET", "sys/mounts", token=server.root_token)).status == 503
        with pytest.raises(BadRequest):
            await server.custodian.initialise(2, 3)
        await server.unseal()
        assert (await server.call("GET", "sys/mounts", token=server.root_token)).status == 200
        await server.broker.close()

    asyncio.run(main())


def test_time_passes_when_it_is_told_to() -> None:
    clock = HandClock()

    async def main() -> None:
        async with MemoryServer(clock=clock) as server:
            token = await server.token(ttl="1m")
            clock.advance(59)
            assert (await server.call("GET", "auth/token/lookup-self", token=token)).status == 200
            clock.advance(2)
            assert (await server.call("GET", "auth/token/lookup-self", token=token)).status == 403

    asyncio.run(main())


def test_a_test_learns_what_it_did_not_expect() -> None:
    async def test(server: MemoryServer) -> None:
        with pytest.raises(AssertionError, match="GET nope: 403"):
            await server.expect(200, "GET", "nope")

    on_server(test)
