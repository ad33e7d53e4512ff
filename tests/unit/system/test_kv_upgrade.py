"""A store without versions begins to keep them: whatever it holds becomes version 1."""

from typing import Any

import pytest

from custody.base.store import Table
from custody.core import upgrading
from custody.core.jobs import upgrade
from custody.core.jobs.job import POLL
from custody.core.jobs.upgrade import Upgrade
from custody.engines.kv.entries import PLAIN_PAYLOAD
from custody.testing.server import MemoryServer, Response


async def ask(server: MemoryServer, method: str, path: str, body: object = None) -> Response:
    return await server.call(method, f"old/{path}", token=server.root_token, body=body)


async def data(server: MemoryServer, path: str, version: int = 0) -> Any:
    answer = await ask(server, "GET", f"data/{path}?version={version}")
    return answer.data["data"] if answer.body and "data" in answer.json else answer.status


async def upgraded(server: MemoryServer) -> None:
    """A store at old/ with secrets of both times: a and d/b from before, new from after."""
    root = server.root_token
    await server.mount("old", "kv-v1")
    for path, number in (("a", 1), ("d/b", 2)):
        await server.expect(204, "POST", f"old/{path}", token=root, body={"n": number})
    await begin(server)
    await server.expect(200, "POST", "old/data/new", token=root, body={"data": {"n": 3}})


async def begin(server: MemoryServer) -> None:
    body = {"options": {"version": "2"}}
    path = "sys/mounts/old/tune"
    answer = await server.call("POST", path, token=server.root_token, body=body)
    if answer.status != 204:  # not done at once
        assert answer.status == 200
        assert answer.warnings[0].startswith("Upgrading mount from version 1 to version 2.")


async def finish(server: MemoryServer) -> None:
    job = Upgrade(server.barrier, server.clock, server.node.parts.catalog)
    while await job.run() != POLL:
        pass


def plain_rows(server: MemoryServer) -> int:
    with server.barrier.snapshot() as rows:
        keys = rows.keys(Table.ENGINE, b"", limit=10_000)
    return sum(key[8:9] == PLAIN_PAYLOAD for key in keys)


async def test_what_was_there_is_version_one_and_the_next_write_version_two() -> None:
    async with MemoryServer() as server:
        await upgraded(server)
        shown = (await server.call("GET", "sys/mounts", token=server.root_token)).data["old/"]
        assert (shown["type"], shown["options"]) == ("kv", {"version": "2"})
        assert (await ask(server, "GET", "a")).status == 404
        assert await data(server, "a") == {"n": 1}
        assert await data(server, "d/b", 1) == {"n": 2}
        assert (await ask(server, "LIST", "metadata")).data["keys"] == ["a", "d/", "new"]
        metadata = (await ask(server, "GET", "metadata/a")).data
        assert (metadata["current_version"], metadata["oldest_version"]) == (1, 1)
        assert metadata["created_time"] == metadata["versions"]["1"]["created_time"]
        assert metadata["created_time"].startswith("20")
        body = {"data": {"n": 9}, "options": {"cas": 1}}
        written = await ask(server, "POST", "data/a", body)
        assert written.data["version"] == 2
        assert [await data(server, "a", version) for version in (0, 1, 2)] == [
            {"n": 9},
            {"n": 1},
            {"n": 9},
        ]


async def test_nothing_of_before_outlives_its_destruction() -> None:
    async with MemoryServer() as server:
        await upgraded(server)
        await ask(server, "DELETE", "data/a")
        assert await data(server, "a") is None
        await ask(server, "POST", "undelete/a", {"versions": [1]})
        assert await data(server, "a") == {"n": 1}
        await ask(server, "POST", "destroy/a", {"versions": [1]})
        assert await data(server, "a") is None
        await ask(server, "DELETE", "metadata/d/b")
        assert await data(server, "d/b") == 404
        assert (await ask(server, "LIST", "metadata")).data["keys"] == ["a", "new"]


async def test_it_gives_way_to_newer_versions_like_any_other() -> None:
    async with MemoryServer() as server:
        await upgraded(server)
        await ask(server, "POST", "config", {"max_versions": 2})
        for number in range(2):
            await ask(server, "POST", "data/a", {"data": {"n": number}})
        assert await data(server, "a", 1) == 404
        assert await data(server, "a", 2) == {"n": 0}


async def test_a_patch_and_metadata_find_it() -> None:
    async with MemoryServer() as server:
        await upgraded(server)
        patched = await ask(server, "PATCH", "data/a", {"data": {"m": 2}})
        assert patched.data["version"] == 2
        assert await data(server, "a") == {"n": 1, "m": 2}
        await ask(server, "POST", "metadata/d/b", {"custom_metadata": {"k": "v"}})
        assert (await ask(server, "GET", "metadata/d/b")).data["custom_metadata"] == {"k": "v"}
        assert await data(server, "d/b") == {"n": 2}
        details = await ask(server, "SCAN", "detailed-metadata")
        assert details.data["keys"] == ["a", "d/b", "new"]


@pytest.mark.parametrize("kind", ["kv", "kv-v1"])
async def test_an_empty_store_is_upgraded_and_none_is_downgraded(kind: str) -> None:
    async with MemoryServer() as server:
        root = server.root_token
        await server.mount("old", kind)
        await begin(server)
        body = {"options": {"version": "2"}}
        await server.expect(204, "POST", "sys/mounts/old/tune", token=root, body=body)
        await server.expect(200, "POST", "old/data/a", token=root, body={"data": {"n": 1}})
        assert await data(server, "a") == {"n": 1}
        back = {"options": {"version": "1"}}
        answer = await server.call("POST", "sys/mounts/old/tune", token=root, body=back)
        assert (answer.status, answer.errors) == (400, ["cannot downgrade mount from version 2"])


@pytest.fixture
def _slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be upgraded at once, and little in each step."""
    monkeypatch.setattr(upgrading, "AT_ONCE", 6)
    monkeypatch.setattr(upgrade, "MAX_KEYS", 9)


async def large(server: MemoryServer) -> None:
    """A store that is not upgraded at once."""
    await server.mount("old", "kv")
    for number in range(7):
        path = f"old/k{number}"
        await server.expect(204, "POST", path, token=server.root_token, body={"n": number})
    await begin(server)


@pytest.mark.usefixtures("_slow")
async def test_meanwhile_those_who_may_ask_are_told_and_nobody_else() -> None:
    async with MemoryServer() as server:
        await large(server)
        stranger = await server.token()
        for path in ("a", "data/a", "config"):
            answer = await ask(server, "GET", path)
            assert (answer.status, answer.errors) == (400, [upgrading.TEXT])
            assert (await server.call("GET", f"old/{path}")).status == 403
            assert (await server.call("GET", f"old/{path}", token=stranger)).status == 403
            helped = await server.call("GET", f"old/{path}?help=1", token=stranger)
            assert helped.errors == [f'no handler for route "old/{path}". route entry not found.']
        shown = await server.call("GET", "sys/mounts/old", token=server.root_token)
        assert shown.data["options"] == {"version": "2"}


@pytest.mark.usefixtures("_slow")
async def test_an_upgrade_goes_on_where_it_was_cut_off() -> None:
    async with MemoryServer() as server:
        await large(server)
        assert plain_rows(server) == 6
        steps = 0
        while plain_rows(server):
            assert (await ask(server, "GET", "data/k0")).status == 400
            job = Upgrade(server.barrier, server.clock, server.node.parts.catalog)  # a new process
            await job.run()
            steps += 1
        assert steps == 3
        assert [await data(server, f"k{number}") for number in range(7)] == [
            {"n": number} for number in range(7)
        ]
        with server.barrier.snapshot() as rows:
            assert upgrading.waiting(rows) is None


async def test_large_secrets_are_taken_over_in_steps_that_hold_no_more_than_they_may() -> None:
    async with MemoryServer() as server:
        await server.mount("old", "kv")
        body = {"n": "x" * 900_000}
        for number in range(20):
            path = f"old/k{number:02}"
            await server.expect(204, "POST", path, token=server.root_token, body=body)
        await begin(server)
        left = [plain_rows(server)]
        job = Upgrade(server.barrier, server.clock, server.node.parts.catalog)
        while await job.run() != POLL:
            left.append(plain_rows(server))
        assert left == [15, 10, 5, 0]
        assert await data(server, "k19") == body


@pytest.mark.usefixtures("_slow")
async def test_a_mount_that_is_disabled_meanwhile_ends_the_work() -> None:
    async with MemoryServer() as server:
        await large(server)
        await server.expect(204, "DELETE", "sys/mounts/old", token=server.root_token)
        await finish(server)
        with server.barrier.snapshot() as rows:
            assert upgrading.waiting(rows) is None


async def test_an_option_of_version_one_changes_nothing_of_a_store_without_versions() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        await server.mount("old", "kv")
        body = {"options": {"version": "1"}}
        await server.expect(204, "POST", "sys/mounts/old/tune", token=root, body=body)
        await server.expect(204, "POST", "old/a", token=root, body={"n": 1})
        assert (await ask(server, "GET", "a")).data == {"n": 1}


async def test_a_generic_store_stays_what_it_is() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        await server.mount("old", "generic")
        body = {"options": {"version": "2"}}
        await server.call("POST", "sys/mounts/old/tune", token=root, body=body)
        await server.expect(204, "POST", "old/a", token=root, body={"n": 1})
        assert (await ask(server, "GET", "a")).data == {"n": 1}
