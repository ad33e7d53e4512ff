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


async def test_tokens_are_not_said_to_be_revoked_by_a_prefix() -> None:
    async with MemoryServer() as server:
        path = "sys/leases/revoke-prefix/auth/token/create"
        answer = await server.expect(400, "PUT", path, token=server.root_token, body={})
        assert "tokens cannot be revoked by prefix" in answer.errors[0]


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
