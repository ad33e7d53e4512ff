"""`sys/remount` and `sys/unmounts`: a mount at another path, and a mount that goes."""

import pytest
from tests.unit.core.stage import Stage
from tests.unit.system.test_tune import METHOD

from custody.core import unmounting
from custody.core.jobs.job import POLL
from custody.core.jobs.unmount import Unmount
from custody.testing.server import MemoryServer


async def move(server: MemoryServer, source: str, target: str) -> str:
    body = {"from": source, "to": target}
    moved = await server.expect(200, "POST", "sys/remount", token=server.root_token, body=body)
    assert moved.json["migration_id"] == moved.data["migration_id"]
    assert f"name {source}/ are not changed" in moved.warnings[0]
    return str(moved.data["migration_id"])


async def test_a_moved_mount_takes_its_data_along_and_leaves_its_path_at_once() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        await server.expect(200, "POST", "secret/data/a", token=root, body={"data": {"a": 1}})
        before = (await server.expect(200, "GET", "sys/mounts/secret", token=root)).data
        identifier = await move(server, "secret", "teams/blue")
        assert (await server.expect(404, "GET", "secret/data/a", token=root)).errors == [
            'no handler for route "secret/data/a". route entry not found.'
        ]
        found = await server.expect(200, "GET", "teams/blue/data/a", token=root)
        assert found.data["data"] == {"a": 1}
        assert (await server.expect(200, "GET", "sys/mounts/teams/blue", token=root)).data == before
        status = await server.expect(200, "GET", f"sys/remount/status/{identifier}", token=root)
        assert status.data == {
            "migration_id": identifier,
            "migration_info": {
                "source_mount": "secret/",
                "target_mount": "teams/blue/",
                "status": "success",
            },
        }


async def test_policies_speak_of_the_new_path() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        await server.expect(200, "POST", "secret/data/a", token=root, body={"data": {"a": 1}})
        token = await server.token('path "secret/*" { capabilities = ["read"] }')
        await server.expect(200, "GET", "secret/data/a", token=token)
        await move(server, "secret", "moved")
        await server.expect(403, "GET", "moved/data/a", token=token)


@pytest.mark.parametrize(
    ("source", "target", "text"),
    [
        ("nope", "x", 'no matching mount at "nope/"'),
        ("secret", "other", 'path already in use at "other/"'),
        ("secret", "other/below", 'path already in use at "other/"'),
        ("secret", "secret", 'path already in use at "secret/"'),
        ("secret", "secret/below", 'path already in use at "secret/"'),
        ("sys", "x", 'cannot remount "sys/"'),
        ("secret", "sys/x", "cannot remount to destination sys/x/"),
        ("secret", "auth/x", "cannot remount to destination auth/x/"),
        ("auth/token", "auth/x", 'cannot remount "auth/token/"'),
        ("auth/m", "x", 'cannot remount auth mount to non-auth mount "x/"'),
        ("auth/m", "auth/token", 'path already in use at "auth/token/"'),
        ("secret", "", "both 'from' and 'to' path must be specified as a string"),
    ],
)
async def test_what_cannot_be_moved_says_why(source: str, target: str, text: str) -> None:
    async with MemoryServer(METHOD) as server:
        root = server.root_token
        await server.mount("other", "kv-v2")
        await server.expect(204, "POST", "sys/auth/m", token=root, body={"type": "method"})
        body = {"from": source, "to": target}
        answer = await server.expect(400, "POST", "sys/remount", token=root, body=body)
        assert answer.errors == [text]


async def test_an_unknown_move_is_not_found() -> None:
    async with MemoryServer() as server:
        path = "sys/remount/status/00000000-0000-0000-0000-000000000000"
        assert (await server.expect(404, "GET", path, token=server.root_token)).errors == []


async def test_the_deletion_of_a_disabled_mount_shows_how_far_it_is() -> None:
    async with Stage() as stage:
        root = stage.root_token
        await stage.expect(404, "LIST", "sys/unmounts", token=root)
        for number in range(600):
            await stage.note(f"n{number}")
        uuid = (await stage.expect(200, "GET", "sys/mounts/probe", token=root)).data["uuid"]
        await stage.expect(204, "DELETE", "sys/mounts/probe", token=root)
        job = Unmount(stage.barrier, stage.clock)
        states = []
        while True:
            shown = (await stage.expect(200, "GET", f"sys/unmounts/{uuid}", token=root)).data
            states.append((shown["state"], shown["rows_deleted"]))
            if await job.run() == POLL:
                break
        assert states == [("deleting", 0), ("deleting", 498), ("finished", 600)]
        listed = (await stage.expect(200, "LIST", "sys/unmounts", token=root)).data
        assert listed["keys"] == [uuid]
        assert listed["key_info"][uuid].keys() == {
            "path", "type", "accessor", "state", "rows_deleted", "started_time", "finished_time",
        }  # fmt: skip
        stage.clock.advance(unmounting.KEPT_NS / 10**9 + 1)
        await job.run()
        await stage.expect(404, "GET", f"sys/unmounts/{uuid}", token=root)
