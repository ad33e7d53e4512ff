"""Tokens and their roles."""

from typing import Any, Final

from tests.conformance.recorder import Record, RecordingServer

RIGHTS: Final = """
path "auth/token/*" { capabilities = ["create", "read", "update"] }
path "auth/token/lookup-self" { capabilities = ["read", "update"] }
"""
FULL_ROLE: Final[dict[str, Any]] = {
    "allowed_policies": ["default", "some"],
    "disallowed_policies": ["none"],
    "allowed_policies_glob": ["web-*"],
    "disallowed_policies_glob": ["no-*"],
    "allowed_entity_aliases": ["alias"],
    "period": 3600,
    "explicit_max_ttl": 0,
    "bound_cidrs": ["127.0.0.1/32"],
    "token_strictly_bind_ip": True,
}


async def roles(record: Record) -> None:
    """A role that says everything, and one that says nothing."""
    async with RecordingServer(record) as server:
        await server.ask("POST", "auth/token/roles/full", 204, **FULL_ROLE, token_num_uses=5)
        await server.ask("POST", "auth/token/roles/bare", 204, orphan=True)
        for name in ("full", "bare"):
            await server.ask("GET", f"auth/token/roles/{name}")
        await server.ask("LIST", "auth/token/roles")


async def made_and_renewed(record: Record) -> None:
    """Tokens of each kind, with metadata and without, with policies and without any."""
    async with RecordingServer(record) as server:
        ask = server.ask
        await ask("POST", "auth/token/roles/r", 204, orphan=True)
        for path in ("create", "create-orphan", "create/r"):
            for body in ({"meta": {"a": "b"}}, {"policies": ["default"]}):
                made = await granted(server, f"auth/token/{path}", ttl="1h", **body)
                text, accessor = made["client_token"], made["accessor"]
                await ask("POST", "auth/token/renew", token=text)
                await ask("POST", "auth/token/renew-accessor", accessor=accessor)
                await server.expect(
                    200, "POST", "auth/token/renew-self", token=text, body={"increment": "1h"}
                )
        await ask("LIST", "auth/token/accessors")
        await ask("POST", "auth/token/tidy", 202)


async def looked_up(record: Record) -> None:
    """A root token, and one with all that a token can have."""
    async with RecordingServer(record) as server:
        await server.ask("POST", "sys/policies/acl/some", 204, policy=RIGHTS)
        await server.ask("POST", "auth/token/roles/r", 204, **FULL_ROLE)
        wish = {"policies": ["some"], "meta": {"a": "b"}, "period": "1h"}
        made = await granted(server, "auth/token/create/r", **wish)
        rich = made["client_token"]
        await server.ask("POST", "auth/token/renew", token=rich)
        for text in (server.root_token, rich):
            for path in ("lookup", "lookup-self"):
                await server.expect(200, "GET", f"auth/token/{path}", token=text)
                await server.expect(200, "POST", f"auth/token/{path}", token=text, body={})
            own = await server.expect(200, "GET", "auth/token/lookup-self", token=text)
            await server.ask("POST", "auth/token/lookup-accessor", accessor=own.data["accessor"])


async def no_policies(record: Record) -> None:
    """A token without any policy, whose parent had none but the one that it was refused."""
    async with RecordingServer(record) as server:
        await server.ask("POST", "sys/policies/acl/default", 204, policy=RIGHTS)
        parent = await server.token()
        body = {"no_default_policy": True}
        await server.expect(200, "POST", "auth/token/create", token=parent, body=body)


async def granted(server: RecordingServer, path: str, **body: Any) -> Any:
    """The `auth` of an answer."""
    answer = await server.expect(200, "POST", path, token=server.root_token, body=body)
    return answer.json["auth"]


SCENES: Final = (roles, made_and_renewed, looked_up, no_policies)
