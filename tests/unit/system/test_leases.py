"""`sys/leases`: what a server without leases says, under the new paths and the old."""

import pytest

from custody.testing.server import MemoryServer


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("leases/lookup", {}, "lease_id must be specified"),
        ("leases/lookup", {"lease_id": "x"}, "invalid lease"),
        ("leases/renew", {}, "lease_id must be specified"),
        ("leases/renew", {"lease_id": "x"}, "lease not found"),
        ("leases/renew/x/y", {}, "lease not found"),
        ("renew", {"lease_id": "x"}, "lease not found"),
        ("renew/x/y", {}, "lease not found"),
        ("leases/revoke", {}, "lease_id must be specified"),
        ("revoke", {}, "lease_id must be specified"),
        ("leases/revoke-prefix/", {}, "cannot write to a path ending in '/'"),
    ],
)
async def test_errors(path: str, body: dict[str, object], text: str) -> None:
    async with MemoryServer() as server:
        root = server.root_token
        answer = await server.expect(400, "PUT", f"sys/{path}", token=root, body=body)
        assert answer.errors == [text]


@pytest.mark.parametrize("path", ["leases/revoke", "revoke"])
async def test_what_is_not_there_is_revoked(path: str) -> None:
    async with MemoryServer() as server:
        root = server.root_token
        body = {"lease_id": "x", "sync": True}
        await server.expect(204, "PUT", f"sys/{path}", token=root, body=body)
        await server.expect(204, "PUT", f"sys/{path}/x/y", token=root, body={})
        for kind in ("prefix", "force"):
            await server.expect(204, "PUT", f"sys/{path}-{kind}/x/y", token=root, body={})


@pytest.mark.parametrize("path", ["leases/revoke-prefix", "leases/revoke-force", "revoke-prefix"])
async def test_tokens_are_revoked_by_the_path_that_made_them(path: str) -> None:
    async with MemoryServer() as server:
        root = server.root_token
        await server.expect(204, "POST", "auth/token/roles/ci", token=root, body={"orphan": True})
        plain, orphan = await made(server, "create"), await made(server, "create-orphan")
        of_role, batch = (
            await made(server, "create/ci"),
            await made(server, "create", type="batch", policies=["default"]),
        )
        below = await made(server, "create", parent=plain, type="batch", policies=["default"])
        await server.expect(204, "PUT", f"sys/{path}/auth/token/create/ci", token=root, body={})
        assert [await good(server, each) for each in (of_role, plain)] == [False, True]
        body = {"sync": True}
        await server.expect(204, "PUT", f"sys/{path}/auth/token/create", token=root, body=body)
        for token, stays in (
            (plain, False), (below, False),  # a batch token falls with its parent alone
            (batch, True), (orphan, True), (await made(server, "create"), True),
        ):  # fmt: skip
            assert await good(server, token) is stays
        lost = await server.call("POST", "auth/token/renew", token=root, body={"token": plain})
        assert (lost.status, lost.errors) == (400, ["token not found"])


async def test_wrapping_tokens_are_revoked_by_the_path_whose_answer_they_hold() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        wrapped = await server.call(
            "POST",
            "sys/wrapping/wrap",
            token=root,
            body={"a": "b"},
            headers=(("X-Vault-Wrap-TTL", "60"),),
        )
        token = wrapped.json["wrap_info"]["token"]
        await server.expect(204, "PUT", "sys/leases/revoke-prefix/sys/wrapping", token=root)
        await server.expect(400, "POST", "sys/wrapping/unwrap", token=root, body={"token": token})


async def test_a_token_may_recall_itself() -> None:
    async with MemoryServer() as server:
        token = await server.token('path "sys/leases/*" { capabilities = ["update", "sudo"] }')
        await server.expect(204, "PUT", "sys/leases/revoke-prefix/auth/token", token=token)
        await server.expect(403, "GET", "auth/token/lookup-self", token=token)
        await server.expect(200, "GET", "auth/token/lookup-self", token=server.root_token)


async def test_who_has_no_sudo_recalls_nothing() -> None:
    async with MemoryServer() as server:
        token = await server.token('path "sys/leases/*" { capabilities = ["update"] }')
        await server.expect(403, "PUT", "sys/leases/revoke-prefix/auth/token", token=token)
        await server.expect(200, "GET", "auth/token/lookup-self", token=token)


async def test_the_count_of_tokens_counts_tokens_alone() -> None:
    async with MemoryServer() as server:
        found = await server.expect(
            200, "GET", "sys/internal/counters/tokens", token=server.root_token
        )
        assert found.data == {"counters": {"service_tokens": {"total": 1}}}


async def made(server: MemoryServer, way: str, parent: str = "", **fields: object) -> str:
    """A token that may make tokens."""
    answer = await server.expect(
        200,
        "POST",
        f"auth/token/{way}",
        token=parent or server.root_token,
        body={"ttl": "1h", **fields},
    )
    return str(answer.json["auth"]["client_token"])


async def good(server: MemoryServer, token: str) -> bool:
    """Whether the token is let in."""
    answer = await server.call("GET", "auth/token/lookup-self", token=token)
    assert answer.status in {200, 403}
    return answer.status == 200


async def test_lists_and_counts() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        for path in ("sys/leases/lookup", "sys/leases/lookup/", "sys/leases/lookup/database/"):
            assert (await server.expect(404, "LIST", path, token=root)).errors == []
        for path in ("sys/leases", "sys/leases/count", "sys/leases?type=x"):
            assert (await server.expect(404, "GET", path, token=root)).errors == []
        found = await server.expect(200, "GET", "sys/leases?type=irrevocable", token=root)
        assert found.data == {"lease_count": 0, "leases": []}
        found = await server.expect(200, "GET", "sys/leases/count?type=irrevocable", token=root)
        assert found.data == {"lease_count": 0, "counts": {}}
        tidied = await server.expect(202, "POST", "sys/leases/tidy", token=root)
        assert (
            tidied.warnings[0]
            == "No engine hands out leases yet: there is nothing to tidy and nothing was started."
        )


async def test_every_token_may_ask_for_a_lease_whose_id_it_knows() -> None:
    async with MemoryServer() as server:
        token = await server.token()
        for path in ("lookup", "renew"):
            body = {"lease_id": "x"}
            await server.expect(400, "PUT", f"sys/leases/{path}", token=token, body=body)
        await server.expect(403, "LIST", "sys/leases/lookup/", token=token)
