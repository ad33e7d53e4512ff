"""Cubbyholes: what a token keeps there is its own, and goes when it goes."""

from collections.abc import Mapping
from typing import Any

import pytest

from custody.base.store import Table
from custody.core.jobs.revocation import Revocation
from custody.system import cubbyhole
from custody.testing.server import MemoryServer, Response

FULL = 'path "cubbyhole/*" { capabilities = ["create", "read", "update", "delete", "list"] }'


async def put(
    server: MemoryServer, token: str, path: str, data: Mapping[str, Any] | None = None
) -> Response:
    return await server.call("POST", f"cubbyhole/{path}", token=token, body=data or {"v": path})


async def names(server: MemoryServer, token: str, path: str = "") -> Any:
    answer = await server.call("LIST", f"cubbyhole/{path}", token=token)
    return answer.json["data"]["keys"] if answer.status == 200 else answer.status


async def test_each_token_has_its_own() -> None:
    async with MemoryServer() as server:
        one, other = await server.token(), await server.token()
        assert (await put(server, one, "a", {"v": 1, "w": {"x": None}})).status == 204
        assert (await put(server, other, "a", {"v": 2})).status == 204
        read = await server.expect(200, "GET", "cubbyhole/a", token=one)
        assert read.json["data"] == {"v": 1, "w": {"x": None}}
        assert read.json["lease_duration"] == 0
        for token in (server.root_token, await server.token()):
            assert (await server.call("GET", "cubbyhole/a", token=token)).status == 404
            assert await names(server, token) == 404
        for path in ("a", "a", ""):
            await server.expect(204, "DELETE", f"cubbyhole/{path}", token=one)
        assert (await server.call("GET", "cubbyhole/a", token=one)).status == 404
        assert (await server.call("GET", "cubbyhole/a", token=other)).json["data"] == {"v": 2}


async def test_names_are_listed_folder_by_folder() -> None:
    async with MemoryServer() as server:
        token = await server.token()
        for path in ("a", "a/b", "a/c/d", "a/c/e", "a.b", "é/f", "z", "z/z"):
            await put(server, token, path)
        assert await names(server, token) == ["a", "a.b", "a/", "z", "z/", "é/"]
        assert await names(server, token, "a/") == ["b", "c/"]
        assert await names(server, token, "a/c") == ["d", "e"]
        assert await names(server, token, "nothing") == 404
        answer = await server.call("LIST", "cubbyhole/?limit=1", token=token)
        assert answer.warnings == ["Endpoint ignored these unrecognized parameters: [limit]"]


async def test_long_lists_are_whole_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cubbyhole, "MAX_LIST", 300)
    monkeypatch.setattr(cubbyhole, "_PAGE", 7)
    async with MemoryServer() as server:
        token = await server.token()
        for number in range(300):
            await put(server, token, f"k{number:04}")
        assert await names(server, token) == [f"k{number:04}" for number in range(300)]
        await put(server, token, "more")
        answer = await server.call("LIST", "cubbyhole/", token=token)
        assert answer.status == 400
        assert answer.errors == ["more than 300 names: a cubbyhole has no pages to list them"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("GET", "", None, 400, "missing path"),
        ("POST", "", {"a": 1}, 400, "cannot write to a path ending in '/'"),
        ("POST", "a/", {"a": 1}, 400, "cannot write to a path ending in '/'"),
        ("POST", "a", {}, 400, "missing data fields"),
        ("POST", "x" * 300 + "/" + "x" * 100, {"a": 1}, 400, "path is longer than 400 bytes"),
        ("SCAN", "", None, 405, "1 error occurred:\n\t* unsupported operation\n\n"),
        ("PATCH", "a", {"a": 1}, 405, "1 error occurred:\n\t* unsupported operation\n\n"),
    ],
)
async def test_mistakes_are_named(
    method: str, path: str, body: object, status: int, text: str
) -> None:
    async with MemoryServer() as server:
        token = server.root_token
        answer = await server.call(method, f"cubbyhole/{path}", token=token, body=body)
        assert (answer.status, answer.errors) == (status, [text])


async def test_a_write_needs_the_right_to_create_or_to_update() -> None:
    async with MemoryServer() as server:
        creator = await server.token('path "cubbyhole/*" { capabilities = ["create"] }')
        updater = await server.token(
            'path "cubbyhole/*" { capabilities = ["update"] }', no_default_policy=True
        )
        assert (await put(server, updater, "a")).status == 403
        only = await server.token(
            'path "cubbyhole/*" { capabilities = ["create"] }', no_default_policy=True
        )
        assert (await put(server, only, "a")).status == 204
        assert (await put(server, only, "a")).status == 403
        assert (await put(server, creator, "a")).status == 204


async def test_it_cannot_be_mounted_moved_or_disabled() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        gone = await server.call("DELETE", "sys/mounts/cubbyhole", token=root)
        assert (gone.status, gone.errors) == (400, ['cannot unmount "cubbyhole/"'])
        body = {"type": "kv-v2"}
        made = await server.call("POST", "sys/mounts/cubbyhole/x", token=root, body=body)
        assert (made.status, made.errors) == (400, ['cannot mount "cubbyhole/x/"'])
        more = await server.call("POST", "sys/mounts/c2", token=root, body={"type": "cubbyhole"})
        assert (more.status, more.errors) == (400, ['mount type of "cubbyhole" is not mountable'])
        shown = (await server.call("GET", "sys/mounts", token=root)).json["data"]["cubbyhole/"]
        assert (shown["type"], shown["local"]) == ("cubbyhole", True)
        assert shown["description"] == "per-token private secret storage"


async def test_what_is_left_of_a_revoked_token_is_cleared_and_nobodys() -> None:
    async with MemoryServer() as server:
        body = {"id": "chosen", "policies": ["default"]}
        for _ in range(2):  # the same id again is not the same token
            await server.expect(
                200, "POST", "auth/token/create", token=server.root_token, body=body
            )
            assert await names(server, "chosen") == 404
            for number in range(200):
                await put(server, "chosen", f"a/{number}")
            await server.expect(204, "POST", "auth/token/revoke-self", token="chosen")
        job = Revocation(server.barrier, server.clock, lambda: 0)
        while await job.run() == 0:
            pass
        with server.barrier.snapshot() as rows:
            assert not rows.keys(Table.CUBBYHOLE, b"")
            assert not rows.keys(Table.REVOCATION, b"")


async def test_records_show_nothing_of_it() -> None:
    async with MemoryServer() as server:
        token = await server.token()
        await put(server, token, "a", {"text": "not-to-be-shown", "number": 1234567890123})
        await server.expect(200, "GET", "cubbyhole/a", token=token)
        lines = b"".join(server.recorder.lines)
        assert b"not-to-be-shown" not in lines
        assert b"1234567890123" not in lines
