"""`sys/mounts`, `sys/auth`, and what user interfaces ask of mounts."""

import pytest

from custody.testing.server import MemoryServer


async def test_a_mount_is_listed_with_every_field() -> None:
    async with MemoryServer() as server:
        found = (await server.expect(200, "GET", "sys/mounts", token=server.root_token)).json
        assert found["secret/"] == found["data"]["secret/"]
        mount = found["secret/"]
        assert mount.keys() == {
            "type", "description", "accessor", "uuid", "config", "options", "local", "seal_wrap",
            "external_entropy_access", "plugin_version", "running_plugin_version",
            "running_sha256", "deprecation_status",
        }  # fmt: skip
        assert (mount["type"], mount["options"]) == ("kv", {"version": "2"})
        assert mount["accessor"].startswith("kv_")
        assert found["data"]["sys/"]["config"]["passthrough_request_headers"] == ["Accept"]


async def test_auth_mounts_are_listed_without_their_prefix() -> None:
    async with MemoryServer() as server:
        found = (await server.expect(200, "GET", "sys/auth", token=server.root_token)).data
        assert found["token/"]["accessor"].startswith("auth_token_")


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("x", {}, "backend type must be specified as a string"),
        ("x", {"type": "bogus"}, "plugin not found in the catalog: bogus"),
        ("x", {"type": "identity"}, 'mount type of "identity" is not mountable'),
        ("sys", {"type": "kv-v2"}, 'cannot mount "sys/"'),
        ("auth/x", {"type": "kv-v2"}, 'cannot mount "auth/x/"'),
        ("secret", {"type": "kv-v2"}, "path is already in use at secret/"),
        ("secret/below", {"type": "kv-v2"}, "path is already in use at secret/"),
        ("x", {"type": "kv-v2", "config": {"listing_visibility": "bad"}},
         "invalid listing_visibility bad"),
        ("x", {"type": "kv-v2", "config": {"default_lease_ttl": "2h", "max_lease_ttl": "1h"}},
         "given default lease TTL greater than given max lease TTL"),
    ],
)  # fmt: skip
async def test_what_cannot_be_mounted_says_why(
    path: str, body: dict[str, object], text: str
) -> None:
    async with MemoryServer() as server:
        root = server.root_token
        answer = await server.expect(400, "POST", f"sys/mounts/{path}", token=root, body=body)
        assert answer.errors == [text]


async def test_a_mount_that_is_not_there() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        answer = await server.expect(400, "GET", "sys/mounts/nope", token=root)
        assert answer.errors == ["No secret engine mount at nope/"]
        await server.expect(204, "DELETE", "sys/mounts/nope", token=root)


async def test_a_disabled_mount_is_gone_at_once_and_its_data_do_not_come_back() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        await server.expect(200, "POST", "secret/data/a", token=root, body={"data": {"a": 1}})
        await server.expect(204, "DELETE", "sys/mounts/secret", token=root)
        await server.expect(404, "GET", "secret/data/a", token=root)
        await server.mount("secret", "kv-v2")
        await server.expect(404, "GET", "secret/data/a", token=root)


async def test_sys_cannot_be_disabled() -> None:
    async with MemoryServer() as server:
        await server.expect(400, "DELETE", "sys/mounts/sys", token=server.root_token)
        await server.expect(200, "GET", "sys/mounts", token=server.root_token)


async def test_the_preflight_of_the_command_line() -> None:
    async with MemoryServer() as server:
        path = "sys/internal/ui/mounts/secret"
        may = await server.token('path "secret/data/a" { capabilities = ["read"] }')
        found = (await server.expect(200, "GET", path, token=may)).data
        assert (found["path"], found["type"], found["options"]) == (
            "secret/", "kv", {"version": "2"},
        )  # fmt: skip
        for token, asked in ((await server.token(), "secret"), (may, "nope")):
            answer = await server.expect(403, "GET", f"sys/internal/ui/mounts/{asked}", token=token)
            text = (
                "preflight capability check returned 403, please ensure client's policies "
                f'grant access to path "{asked}/"'
            )
            assert answer.errors == [text]


async def test_a_user_interface_sees_what_its_token_may_touch() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        body = {"type": "kv-v2", "config": {"listing_visibility": "unauth"}}
        await server.expect(204, "POST", "sys/mounts/shown", token=root, body=body)
        token = await server.token('path "secret/data/a" { capabilities = ["read"] }')
        path = "sys/internal/ui/mounts"
        stranger = (await server.expect(200, "GET", path)).data
        assert stranger["secret"] == {
            "shown/": {"type": "kv", "description": "", "options": {"version": "2"}}
        }
        known = (await server.expect(200, "GET", path, token=token)).data
        assert "secret/" in known["secret"]


async def test_the_table_is_shown_as_it_routes() -> None:
    async with MemoryServer() as server:
        root, path = server.root_token, "sys/internal/inspect/router"
        for tag in ("root", "uuid", "accessor", "storage"):
            found = (await server.expect(200, "GET", f"{path}/{tag}", token=root)).data[tag]
            assert {one["mount_path"] for one in found} >= {"sys/", "secret/", "auth/token/"}
            assert found[0].keys() == {
                "accessor", "mount_namespace", "mount_path", "mount_type", "storage_prefix",
                "tainted", "uuid",
            }  # fmt: skip
        await server.expect(404, "GET", f"{path}/bogus", token=root)
