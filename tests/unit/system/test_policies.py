"""`sys/policies/acl`, `sys/policy` and `sys/capabilities*`."""

import asyncio

import pytest

from custody.testing.server import MemoryServer, Response

READ = 'path "secret/data/a" { capabilities = ["read"] }'
PATH = "sys/policies/acl/p"


async def put(server: MemoryServer, status: int = 204, **body: object) -> Response:
    body = {"policy": READ, **body}
    return await server.expect(status, "POST", PATH, token=server.root_token, body=body)


async def test_a_policy_is_read_under_both_paths() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        await put(server)
        new = (await server.expect(200, "GET", PATH, token=root)).data
        assert (new["name"], new["policy"], new["version"]) == ("p", READ, 1)
        old = (await server.expect(200, "GET", "sys/policy/P", token=root)).json
        assert (old["name"], old["rules"], old["data"]["rules"]) == ("p", READ, READ)
        names = (await server.expect(200, "LIST", "sys/policies/acl", token=root)).data["keys"]
        assert names == ["default", "p", "root"]
        both = (await server.expect(200, "GET", "sys/policy", token=root)).data
        assert both == {"keys": names, "policies": names}


@pytest.mark.parametrize(("base", "field"), [("policies/acl", "policy"), ("policy", "rules")])
async def test_the_policy_of_root_has_no_text_and_was_never_written(base: str, field: str) -> None:
    async with MemoryServer() as server:
        found = await server.expect(200, "GET", f"sys/{base}/root", token=server.root_token)
        assert found.data == {"name": "root", field: "", "version": 0, "cas_required": False}


async def test_an_unknown_policy() -> None:
    async with MemoryServer() as server:
        answer = await server.expect(404, "GET", PATH, token=server.root_token)
        assert answer.errors == []
        await server.expect(204, "DELETE", PATH, token=server.root_token)


@pytest.mark.parametrize(
    ("name", "text"),
    [("root", 'cannot delete "root" policy'), ("default", "cannot delete default policy")],
)
async def test_policies_that_stay(name: str, text: str) -> None:
    async with MemoryServer() as server:
        answer = await server.expect(
            400, "DELETE", f"sys/policies/acl/{name}", token=server.root_token
        )
        assert answer.errors == [text]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"policy": ""}, "'policy' parameter not supplied or empty"),
        ({"cas": -1}, "check-and-set parameter set to -1 on existing entry"),
        ({"cas": 7}, "check-and-set parameter did not match the current version"),
        ({"ttl": "1h", "expiration": "2099-01-01T00:00:00Z"},
         "cannot supply both 'expiration' and 'ttl' for policies"),
    ],
)  # fmt: skip
async def test_a_write_that_is_refused_says_why(body: dict[str, object], text: str) -> None:
    async with MemoryServer() as server:
        await put(server)
        assert (await put(server, 400, **body)).errors == [text]
        found = (await server.expect(200, "GET", PATH, token=server.root_token)).data
        assert found["version"] == 1


async def test_a_check_and_set_lets_one_of_two_writers_through() -> None:
    async with MemoryServer() as server:
        await put(server)
        calls = (
            server.call("POST", PATH, token=server.root_token, body={"policy": READ, "cas": 1})
            for _ in range(2)
        )
        assert sorted(a.status for a in await asyncio.gather(*calls)) == [204, 400]


async def test_a_path_that_takes_sudo_is_told_by_the_routes_themselves() -> None:
    async with MemoryServer() as server:
        for path, capability in (
            ("sys/audit", "read"), ("sys/rotate", "update"), ("auth/token/accessors", "list"),
            ("sys/auth/+/tune", "read"), ("sys/audit/*", "delete"),
        ):  # fmt: skip
            text = f'path "{path}" {{ capabilities = ["{capability}"] }}'
            answer = await put(server, 200, policy=text)
            assert answer.warnings == [
                f'path "{path}" on line 1: "{capability}" alone is refused there: add "sudo"'
            ]
        text = 'path "sys/mounts" { capabilities = ["read"] }'
        await put(server, policy=text)


async def test_likely_mistakes_are_warnings_and_do_not_stop_the_write() -> None:
    async with MemoryServer() as server:
        mistaken = 'path "secret/a" { capabilities = ["read"] }'
        answer = await put(server, 200, policy=mistaken)
        assert len(answer.warnings) == 1
        assert 'did you mean "secret/data/a"?' in answer.warnings[0]
        found = (await server.expect(200, "GET", PATH, token=server.root_token)).data
        assert found["policy"] == mistaken


async def test_a_policy_ends_with_its_ttl() -> None:
    async with MemoryServer() as server:
        await put(server, ttl="1h")
        token = (
            await server.expect(
                200, "POST", "auth/token/create", token=server.root_token,
                body={"policies": ["p"], "ttl": "2h"},
            )
        ).json["auth"]["client_token"]  # fmt: skip
        await server.expect(404, "GET", "secret/data/a", token=token)
        server.clock.advance(3601)  # type: ignore[attr-defined]  # the default is a HandClock
        await server.expect(403, "GET", "secret/data/a", token=token)
        await server.expect(404, "GET", PATH, token=server.root_token)


async def test_a_long_policy_is_taken_and_a_longer_body_is_not() -> None:
    async with MemoryServer() as server:
        rule = 'path "secret/data/%05d" { capabilities = ["read"] }\n'
        long = "".join(rule % number for number in range(1000))
        await put(server, policy=long)
        found = (await server.expect(200, "GET", PATH, token=server.root_token)).data
        assert found["policy"] == long
        await put(server, 413, policy=READ + "\n" * 128 * 1024)


async def test_capabilities_under_paths_and_the_old_spelling() -> None:
    async with MemoryServer() as server:
        token = await server.token(READ)
        path = "sys/capabilities-self"
        for field in ("paths", "path"):
            body = {field: ["secret/data/a"]}
            found = (await server.expect(200, "POST", path, token=token, body=body)).json
            assert found["capabilities"] == ["read"]
            assert found["data"]["secret/data/a"] == ["read"]
        body = {"paths": ["secret/data/a", "secret/data/b"]}
        found = (await server.expect(200, "POST", path, token=token, body=body)).data
        assert found == {"secret/data/a": ["read"], "secret/data/b": ["deny"]}


async def test_capabilities_of_root_and_of_another_token() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        body = {"paths": ["anything"], "token": root}
        found = (await server.expect(200, "POST", "sys/capabilities", token=root, body=body)).data
        assert found["capabilities"] == ["root"]
        made = await server.expect(200, "POST", "auth/token/create", token=root)
        accessor = {"paths": ["sys/mounts"], "accessor": made.json["auth"]["accessor"]}
        path = "sys/capabilities-accessor"
        found = (await server.expect(200, "POST", path, token=root, body=accessor)).data
        assert found["capabilities"] == ["root"]


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("capabilities-self", {}, "paths must be supplied"),
        ("capabilities", {"paths": ["a"], "token": "nonsense"}, "invalid token"),
    ],
)
async def test_capabilities_refuse(path: str, body: dict[str, object], text: str) -> None:
    async with MemoryServer() as server:
        answer = await server.expect(400, "POST", f"sys/{path}", token=server.root_token, body=body)
        assert answer.errors == [text]
