"""`sys/`: versions, nodes, the host, counts, and what a caller's policies grant."""

import uuid
from pathlib import Path

from custody import __version__
from custody.core import versions
from custody.testing.rows import MemoryRows
from custody.testing.server import MemoryServer


async def test_the_version_that_runs_is_in_the_history() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        found = (await server.expect(200, "LIST", "sys/version-history", token=root)).data
        assert found["keys"] == [__version__]
        assert found["key_info"][__version__] == {
            "previous_version": None,
            "timestamp_installed": "2023-11-14T22:13:20Z",
            "build_date": "",
            "commit_date": "",
        }


def test_a_version_is_noted_when_it_begins_to_run() -> None:
    rows = MemoryRows()
    for version, now_ns in (("1", 1), ("1", 2), ("2", 3), ("2", 4)):
        versions.note(rows, version, now_ns)
    assert [(one.version, one.first_ns) for one in versions.known(rows)] == [("1", 1), ("2", 3)]


async def test_there_is_one_node() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        found = (await server.expect(200, "GET", "sys/ha-status", token=root)).json
        assert found["nodes"] == found["data"]["nodes"]
        (node,) = found["nodes"]
        assert node.keys() == {
            "hostname", "api_address", "cluster_address", "active_node", "last_echo", "version",
        }  # fmt: skip
        assert node["active_node"] is True
        await server.expect(204, "PUT", "sys/step-down", token=root)


async def test_the_host(tmp_path: Path) -> None:
    async with MemoryServer(data_path=str(tmp_path)) as server:
        found = (await server.expect(200, "GET", "sys/host-info", token=server.root_token)).data
        assert found.keys() == {"cpu", "cpu_times", "disk", "host", "memory", "timestamp"}
        assert found["memory"]["total"] > found["memory"]["available"] > 0
        assert found["disk"][0]["total"] > 0
        assert found["host"]["os"] == "linux"
        assert len(found["cpu"]) == len(found["cpu_times"]) > 0
        assert found["cpu"][0].keys() >= {"stepping", "cacheSize", "microcode"}
        assert found["disk"][0]["fstype"]
        assert all(
            0 < found["disk"][0][name] <= 100 for name in ("usedPercent", "inodesUsedPercent")
        )
        assert found["memory"].keys() >= {"committedas", "hugepagestotal", "sreclaimable"}
        assert 0 < found["memory"]["usedPercent"] < 100
        host = found["host"]
        assert str(uuid.UUID(host["hostid"])) == host["hostid"]
        assert host.keys() >= {"platform", "platformFamily", "platformVersion"}


async def test_tokens_are_counted_without_reading_them() -> None:
    async with MemoryServer() as server:
        root, path = server.root_token, "sys/internal/counters/tokens"
        await server.token()
        found = await server.expect(200, "GET", path, token=root)
        assert found.data == {"counters": {"service_tokens": {"total": 2}}}
        path = "sys/internal/counters/entities"
        found = await server.expect(200, "GET", path, token=root)
        assert found.data == {"counters": {"entities": {"total": 0}}}
        path = "sys/internal/counters/requests"
        gone = await server.expect(404, "GET", path, token=root)
        assert gone.errors == ["The functionality has been removed on this path"]


async def test_a_user_interface_learns_what_its_token_may_do() -> None:
    async with MemoryServer() as server:
        path = "sys/internal/ui/resultant-acl"
        assert (await server.expect(200, "GET", path, token=server.root_token)).data == {
            "root": True
        }
        token = await server.token(
            'path "secret/data/a" { capabilities = ["read", "create"]\n'
            '  allowed_parameters = { "a" = [] } }\n'
            'path "secret/*" { capabilities = ["list"] }\n'
            'path "x/+/y" { capabilities = ["deny"] }\n'
            'path "sys/internal/ui/*" { capabilities = ["read"] }',
            no_default_policy=True,
        )
        assert (await server.expect(200, "GET", path, token=token)).data == {
            "root": False,
            "exact_paths": {
                "secret/data/a": {
                    "capabilities": ["create", "read"], "allowed_parameters": {"a": []},
                },
            },
            "glob_paths": {
                "secret/": {"capabilities": ["list"]},
                "sys/internal/ui/": {"capabilities": ["read"]},
                "x/+/y": {"capabilities": ["deny"]},
            },
        }  # fmt: skip
        await server.expect(200, "GET", path, token=await server.token())
        await server.expect(403, "GET", path)
        assert (await server.expect(200, "GET", "sys/internal/ui/namespaces")).data == {}
