"""Policies, what they grant, and passwords."""

from typing import Final

from tests.conformance.recorder import Record, RecordingServer

PASSWORD: Final = """
length = 20
rule "charset" { charset = "abcdefghijklmnopqrstuvwxyz" min-chars = 1 }
"""
_BOUNDS: Final = """
  capabilities = ["create", "list"]
  allowed_parameters = { "data" = [], "n" = [1, "a"] }
  denied_parameters = { "options" = ["x"] }
  required_parameters = ["data"]
  min_wrapping_ttl = "1m"
  max_wrapping_ttl = "1h"
  pagination_limit = 10
"""
NARROW: Final = f"""
path "sys/internal/ui/resultant-acl" {{ capabilities = ["read"] }}
path "secret/data/*" {{{_BOUNDS}}}
path "secret/data/a" {{{_BOUNDS}}}
path "secret/metadata/*" {{ capabilities = ["list"] }}
"""


async def named(record: Record) -> None:
    """A policy with an end, and one that is built in, under both paths."""
    async with RecordingServer(record) as server:
        for base in ("sys/policies/acl", "sys/policy"):
            await server.ask("POST", f"{base}/group/a", 204, policy=NARROW, ttl="1h")
            for name in ("group/a", "default", "root"):
                await server.ask("GET", f"{base}/{name}")
            await server.ask("LIST", base)
            await server.ask("LIST", f"{base}/group")
        await server.ask("GET", "sys/policy")


async def granted(record: Record) -> None:
    """What policies come down to."""
    async with RecordingServer(record) as server:
        token = await server.token(NARROW)
        acl = "sys/internal/ui/resultant-acl"
        for text in (token, server.root_token):
            await server.expect(200, "GET", acl, token=text)
        looked = await server.expect(200, "GET", "auth/token/lookup-self", token=token)
        paths = ["secret/data/a", "secret/data/b"]
        await server.ask("POST", "sys/capabilities-self", paths=paths)
        await server.ask("POST", "sys/capabilities", token=token, paths=paths)
        await server.ask(
            "POST", "sys/capabilities-accessor", accessor=looked.data["accessor"], paths=paths
        )


async def passwords(record: Record) -> None:
    """A password policy, and a password by it."""
    async with RecordingServer(record) as server:
        base = "sys/policies/password"
        await server.ask("POST", f"{base}/p", 204, policy=PASSWORD)
        for method, path in (("LIST", base), ("GET", f"{base}/p"), ("GET", f"{base}/p/generate")):
            await server.ask(method, path)


SCENES: Final = (named, granted, passwords)
