"""`sys/audit` and `sys/audit-hash`."""

from pathlib import Path

import pytest

from custody.testing.server import AUDIT_PATH, MemoryServer


async def test_a_file_is_enabled_after_a_test_record_and_then_has_every_request(
    tmp_path: Path,
) -> None:
    async with MemoryServer(audited=False) as server:
        root = server.root_token
        file = tmp_path / "below" / "audit.log"
        body = {"type": "file", "description": "d", "options": {"file_path": str(file)}}
        await server.expect(204, "PUT", "sys/audit/f", token=root, body=body)
        assert b"sys/audit/test" in file.read_bytes()
        await server.expect(200, "GET", "sys/mounts", token=root)
        assert b'"path":"sys/mounts"' in file.read_bytes()
        found = (await server.expect(200, "GET", "sys/audit", token=root)).json
        assert found["f/"] == found["data"]["f/"]
        assert found["f/"] == {
            "path": "f/", "type": "file", "description": "d",
            "options": {"file_path": str(file)}, "local": False,
        }  # fmt: skip
        await server.expect(204, "DELETE", "sys/audit/f", token=root)
        assert list((await server.expect(200, "GET", "sys/audit", token=root)).data) == []


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("f", {"type": "bogus"}, 'unknown backend type: "bogus"'),
        ("f", {"type": "file"}, "file_path is required"),
        ("recorder", {"type": "file", "options": {"file_path": "discard"}}, "path already in use"),
    ],
)
async def test_what_cannot_be_enabled_says_why(
    path: str, body: dict[str, object], text: str
) -> None:
    async with MemoryServer() as server:
        answer = await server.expect(
            400, "PUT", f"sys/audit/{path}", token=server.root_token, body=body
        )
        assert answer.errors == [text]


async def test_a_device_that_does_not_take_the_test_record_is_not_enabled(tmp_path: Path) -> None:
    async with MemoryServer() as server:
        root = server.root_token
        body = {"type": "file", "options": {"file_path": str(tmp_path)}}  # a folder
        await server.expect(400, "PUT", "sys/audit/f", token=root, body=body)
        assert list((await server.expect(200, "GET", "sys/audit", token=root)).data) == [AUDIT_PATH]


async def test_a_device_cannot_write_among_the_data(tmp_path: Path) -> None:
    """It would append to the database, which was accepted once."""
    data, link = tmp_path / "data", tmp_path / "link"
    data.mkdir()
    link.symlink_to(data)
    async with MemoryServer(data_path=str(data)) as server:
        root = server.root_token
        for path in (data / "gen" / "data.mdb", link / "data.mdb", data / ".." / "data" / "x"):
            body = {"type": "file", "options": {"file_path": str(path)}}
            answer = await server.expect(400, "PUT", "sys/audit/f", token=root, body=body)
            assert answer.errors == ["file_path is inside the data directory"]
        assert list(data.iterdir()) == []
        beside = {"type": "file", "options": {"file_path": str(tmp_path / "data.log")}}
        await server.expect(204, "PUT", "sys/audit/f", token=root, body=beside)
        nowhere = {"type": "file", "options": {"file_path": "discard"}}
        await server.expect(204, "PUT", "sys/audit/g", token=root, body=nowhere)


async def test_two_devices_never_write_to_one_file(tmp_path: Path) -> None:
    """Each would take the other's lines for a stranger's, and begin a new file."""
    first, link = tmp_path / "a.log", tmp_path / "link.log"
    link.symlink_to(first)
    async with MemoryServer() as server:
        root = server.root_token
        body = {"type": "file", "options": {"file_path": str(first)}}
        await server.expect(204, "PUT", "sys/audit/first", token=root, body=body)
        for path in (first, link, tmp_path / "x" / ".." / "a.log"):
            body = {"type": "file", "options": {"file_path": str(path)}}
            answer = await server.expect(400, "PUT", "sys/audit/second", token=root, body=body)
            assert answer.errors == ["file_path is the file of the audit device at first/ already"]
        for name in ("one", "two"):
            nowhere = {"type": "file", "options": {"file_path": "discard"}}
            await server.expect(204, "PUT", f"sys/audit/{name}", token=root, body=nowhere)


async def test_disabling_what_is_not_there_is_done() -> None:
    async with MemoryServer() as server:
        await server.expect(204, "DELETE", "sys/audit/none", token=server.root_token)


async def test_a_device_of_the_configuration_cannot_be_disabled_through_the_api() -> None:
    async with MemoryServer() as server:
        await server.expect(400, "DELETE", "sys/audit/recorder", token=server.root_token)


async def test_hash_says_what_a_value_looks_like_in_the_records() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        body = {"input": root}
        answer = await server.expect(200, "POST", "sys/audit-hash/recorder", token=root, body=body)
        assert answer.data["hash"] == answer.json["hash"]
        assert answer.data["hash"] == server.recorder.records[-1]["auth"]["client_token"]


async def test_hash_of_an_unknown_device() -> None:
    async with MemoryServer() as server:
        answer = await server.expect(
            400, "POST", "sys/audit-hash/f", token=server.root_token, body={"input": "x"}
        )
        assert answer.errors == ['unknown audit backend "f/"']


async def test_audit_wants_sudo() -> None:
    async with MemoryServer() as server:
        token = await server.token(
            'path "sys/audit" { capabilities = ["read"] }\n'
            'path "sys/audit/*" { capabilities = ["update", "delete"] }'
        )
        await server.expect(403, "GET", "sys/audit", token=token)
        await server.expect(403, "PUT", "sys/audit/f", token=token, body={"type": "file"})
        await server.expect(403, "DELETE", "sys/audit/recorder", token=token)
