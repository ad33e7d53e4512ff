"""Token roles through the API, and tokens made by way of them, from creation to renewal."""

from collections.abc import Mapping
from typing import Any

import pytest

from custody.testing.server import HandClock, MemoryServer, Response

ROLE = "auth/token/roles/r"
MAKE = "auth/token/create/r"


async def put(server: MemoryServer, **fields: Any) -> Response:
    return await server.call("POST", ROLE, token=server.root_token, body=fields)


async def shown(server: MemoryServer) -> Mapping[str, Any]:
    data: Mapping[str, Any] = (await server.expect(200, "GET", ROLE, token=server.root_token)).data
    return data


async def make(server: MemoryServer, **fields: Any) -> Any:
    body = {"policies": ["default"], **fields}
    answer = await server.expect(200, "POST", MAKE, token=server.root_token, body=body)
    return answer.json["auth"]


async def test_a_new_role_has_these_fields_and_values() -> None:
    async with MemoryServer() as server:
        assert (await put(server)).status == 204
        assert await shown(server) == {
            "allowed_entity_aliases": None,
            "allowed_policies": [],
            "allowed_policies_glob": [],
            "disallowed_policies": [],
            "disallowed_policies_glob": [],
            "explicit_max_ttl": 0,
            "name": "r",
            "orphan": False,
            "path_suffix": "",
            "period": 0,
            "renewable": True,
            "token_explicit_max_ttl": 0,
            "token_no_default_policy": False,
            "token_period": 0,
            "token_type": "default-service",
        }


async def test_a_write_changes_what_it_names_and_nothing_else() -> None:
    async with MemoryServer() as server:
        await put(
            server, allowed_policies="b,A,a", disallowed_policies=["c"], orphan=True,
            allowed_policies_glob="g-*", renewable=False, path_suffix="suf",
            allowed_entity_aliases=["E1"], token_period="1h", token_explicit_max_ttl="2h",
            token_bound_cidrs="127.0.0.1/32,10.0.0.0/8", token_no_default_policy=True,
            token_num_uses=5, token_strictly_bind_ip=True, token_type="service",
        )  # fmt: skip
        first = await shown(server)
        assert first["allowed_policies"] == ["a", "b"]
        assert first["allowed_entity_aliases"] == ["e1"]
        assert first["token_bound_cidrs"] == ["127.0.0.1", "10.0.0.0/8"]
        assert (first["token_period"], first["period"]) == (3600, 0)
        assert (first["token_num_uses"], first["token_strictly_bind_ip"]) == (5, True)
        await put(server, period="30m", explicit_max_ttl="45m", bound_cidrs=["1.2.3.4"])
        assert await shown(server) == {
            **first,
            "period": 1800,
            "token_period": 1800,
            "explicit_max_ttl": 2700,
            "token_explicit_max_ttl": 2700,
            "bound_cidrs": ["1.2.3.4"],
            "token_bound_cidrs": ["1.2.3.4"],
        }
        await put(server, period="", explicit_max_ttl=0, bound_cidrs=[], token_num_uses=0)
        last = await shown(server)
        assert (last["period"], last["token_period"]) == (0, 0)
        assert not {"bound_cidrs", "token_bound_cidrs", "token_num_uses"} & set(last)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"token_period": "-1h"},
            (
                'error converting input for field "token_period": '
                "cannot provide negative value '-3600'"
            ),
        ),
        (
            {"token_explicit_max_ttl": -1},
            (
                'error converting input for field "token_explicit_max_ttl": '
                "cannot provide negative value '-1'"
            ),
        ),
        (
            {"token_bound_cidrs": "nonsense"},
            (
                'error parsing role fields: error parsing address "nonsense": Unable to convert '
                '"nonsense" to an IPv4 or IPv6 address, or a UNIX Socket'
            ),
        ),
        ({"allowed_policies": ",".join(["p"] * 1001)}, "allowed_policies may list at most 1000"),
    ],
)
async def test_mistakes_in_a_role_are_named(fields: dict[str, Any], text: str) -> None:
    async with MemoryServer() as server:
        answer = await put(server, **fields)
        assert (answer.status, answer.errors) == (400, [text])
        assert (await server.call("GET", ROLE, token=server.root_token)).status == 404


async def test_roles_are_listed_in_pages_and_deleted() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        assert (await server.call("LIST", "auth/token/roles", token=root)).status == 404
        for name in ("b", "a", "c"):
            await server.expect(204, "POST", f"auth/token/roles/{name}", token=root, body={})
        listed = await server.expect(200, "LIST", "auth/token/roles", token=root)
        assert listed.data["keys"] == ["a", "b", "c"]
        page = await server.expect(200, "LIST", "auth/token/roles?after=a&limit=1", token=root)
        assert page.data["keys"] == ["b"]
        for _ in range(2):
            await server.expect(204, "DELETE", "auth/token/roles/b", token=root)
        assert (await server.call("GET", "auth/token/roles/b", token=root)).status == 404


async def test_making_a_role_asks_for_more_than_changing_it() -> None:
    async with MemoryServer() as server:
        token = await server.token('path "auth/token/roles/*" { capabilities = ["update"] }')
        assert (await server.call("POST", ROLE, token=token, body={})).status == 403
        await put(server)
        assert (await server.call("POST", ROLE, token=token, body={})).status == 204


async def test_a_token_names_its_role_and_its_path_the_suffix() -> None:
    async with MemoryServer() as server:
        await put(
            server, path_suffix="suf", token_period="1h", token_num_uses=9,
            token_bound_cidrs="10.0.0.0/8,127.0.0.1", token_explicit_max_ttl="3h",
        )  # fmt: skip
        token = (await make(server))["client_token"]
        found = await server.expect(
            200, "POST", "auth/token/lookup", token=server.root_token, body={"token": token}
        )
        data = found.data
        assert (data["path"], data["role"]) == ("auth/token/create/r/suf", "r")
        assert data["bound_cidrs"] == ["10.0.0.0/8", "127.0.0.1"]
        assert (data["ttl"], data["explicit_max_ttl"], data["num_uses"]) == (3600, 0, 9)
        assert "period" not in data


async def test_an_unknown_role_is_named_and_a_role_in_the_body_replaced() -> None:
    async with MemoryServer() as server:
        answer = await server.call("POST", MAKE, token=server.root_token, body={})
        assert (answer.status, answer.errors) == (400, ["unknown role r"])
        await put(server)
        body = {"policies": ["default"], "role_name": "other"}
        made = await server.expect(200, "POST", MAKE, token=server.root_token, body=body)
        assert made.warnings == [
            (
                "Endpoint replaced the value of these parameters with the values captured from the "
                "endpoint's path: [role_name]"
            )
        ]


async def test_renewal_follows_the_role_as_it_is_then() -> None:
    async with MemoryServer() as server:
        clock = server.clock
        assert isinstance(clock, HandClock)
        await put(server, token_period="1h")
        token = (await make(server))["client_token"]

        async def renewed() -> Response:
            return await server.call("POST", "auth/token/renew-self", token=token, body={})

        assert (await renewed()).json["auth"]["lease_duration"] == 3600
        await put(server, token_period="30m")
        assert (await renewed()).json["auth"]["lease_duration"] == 1800
        await put(server, token_explicit_max_ttl="1h")
        clock.advance(1795)
        await renewed()
        clock.advance(1795)
        answer = await renewed()
        assert answer.json["auth"]["lease_duration"] == 10
        await server.expect(204, "DELETE", ROLE, token=server.root_token)
        gone = await renewed()
        assert gone.status == 400
        assert gone.errors == [
            (
                "1 error occurred:\n\t* failed to renew entry: original token role "
                '"r" could not be found, not renewing\n\n'
            )
        ]


async def test_a_token_is_good_only_where_it_is_bound_to() -> None:
    async with MemoryServer() as server:  # whose clients are at 127.0.0.1
        await put(server, token_bound_cidrs="10.0.0.0/8", token_num_uses=3)
        elsewhere = (await make(server))["client_token"]
        for path in ("auth/token/lookup-self", "nowhere/x"):
            answer = await server.call("GET", path, token=elsewhere)
            assert (answer.status, answer.errors) == (403, ["permission denied"])
        found = await server.expect(
            200, "POST", "auth/token/lookup", token=server.root_token, body={"token": elsewhere}
        )
        assert found.data["num_uses"] == 3  # what is not let in uses nothing up
        tried = [one for one in server.recorder.records if "error" in one]
        assert {one["auth"]["display_name"] for one in tried} == {"token"}
        assert {one["error"] for one in tried} == {
            "permission denied: the token is bound to other networks"
        }
        await put(server, token_bound_cidrs="10.0.0.0/8,127.0.0.0/8")
        here = (await make(server))["client_token"]
        assert (await server.call("GET", "auth/token/lookup-self", token=here)).status == 200
        root = (await make(server, policies=["root"]))["client_token"]
        assert (await server.call("GET", "auth/token/lookup-self", token=root)).status == 200


async def test_a_batch_token_is_bound_too() -> None:
    async with MemoryServer() as server:
        await put(
            server, token_type="batch", orphan=True, renewable=False,
            token_bound_cidrs="10.0.0.0/8",
        )  # fmt: skip
        token = (await make(server))["client_token"]
        assert token.startswith("cub.")
        assert (await server.call("GET", "auth/token/lookup-self", token=token)).status == 403
        await put(server, token_bound_cidrs="127.0.0.1")
        token = (await make(server))["client_token"]
        found = await server.expect(200, "GET", "auth/token/lookup-self", token=token)
        assert (found.data["bound_cidrs"], found.data["role"]) == (["127.0.0.1"], "r")


async def test_tidying_is_accepted() -> None:
    async with MemoryServer() as server:
        answer = await server.call("POST", "auth/token/tidy", token=server.root_token)
        assert answer.status == 202
        assert answer.json["data"] is None
        [warning] = answer.warnings
        assert "in the background" in warning
