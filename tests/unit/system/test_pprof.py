"""`sys/pprof`: a process at work, told without a value of what it works on."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from custody.testing.server import MemoryServer

SECRET = "a-value-that-must-not-show"


@pytest.mark.parametrize(
    "name", ["", "/allocs", "/cmdline", "/goroutine", "/heap", "/threadcreate"]
)
async def test_each_profile_is_text_and_holds_no_secret(name: str) -> None:
    async with MemoryServer() as server:
        root = server.root_token
        body = {"data": {"v": SECRET}}
        await server.expect(200, "POST", "secret/data/a", token=root, body=body)
        found = await server.expect(200, "GET", f"sys/pprof{name}", token=root)
        assert found.headers["content-type"] == "text/plain; charset=utf-8"
        text = found.body.decode()
        assert text.startswith("process ")
        assert SECRET not in text
        assert root not in text


async def test_a_profile_names_the_code_that_runs() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        found = await server.expect(200, "GET", "sys/pprof/profile?seconds=1", token=root)
        assert "asyncio" in found.body.decode()
        for seconds in ("0", "61", "-1"):
            path = f"sys/pprof/profile?seconds={seconds}"
            await server.expect(400, "GET", path, token=root)


async def test_one_profile_is_taken_at_a_time() -> None:
    async with MemoryServer() as server:
        root, path = server.root_token, "sys/pprof/profile?seconds=1"
        calls = [server.call("GET", path, token=root) for _ in range(3)]
        answers = sorted(one.status for one in await asyncio.gather(*calls))
        assert answers == [200, 429, 429]
        await server.expect(200, "GET", path, token=root)


async def test_a_profile_that_is_given_up_before_a_thread_is_free_leaves_the_next_its_turn() -> (
    None
):
    loop, gate = asyncio.get_running_loop(), threading.Event()
    loop.set_default_executor(ThreadPoolExecutor(1))
    async with MemoryServer() as server:
        root, path = server.root_token, "sys/pprof/profile?seconds=1"
        busy = loop.run_in_executor(None, gate.wait)
        waiting = asyncio.create_task(server.call("GET", path, token=root))
        await asyncio.sleep(0.1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        gate.set()
        await busy
        await server.expect(200, "GET", path, token=root)


async def test_what_only_go_has_is_not_there() -> None:
    async with MemoryServer() as server:
        for name in ("block", "mutex", "symbol", "trace"):
            await server.expect(404, "GET", f"sys/pprof/{name}", token=server.root_token)


async def test_it_takes_a_token_that_may() -> None:
    async with MemoryServer() as server:
        await server.expect(403, "GET", "sys/pprof/heap", token=await server.token())
