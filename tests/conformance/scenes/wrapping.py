"""Answers that are put away, and what becomes of them."""

from typing import Any, Final

from tests.conformance.recorder import Record, RecordingServer

WRAP: Final = (("X-Vault-Wrap-TTL", "60"),)


async def put_away(record: Record) -> None:
    """Data and a token are wrapped, looked at, wrapped anew and opened."""
    async with RecordingServer(record) as server:
        for path in ("sys/wrapping/wrap", "auth/token/create"):
            for body in ({}, {"meta": {"a": "b"}}):
                text = await wrapped(server, path, body)
                await server.ask("POST", "sys/wrapping/lookup", token=text)
                await server.expect(200, "GET", "sys/wrapping/lookup", token=text)
                moved = await server.expect(
                    200, "POST", "sys/wrapping/rewrap", token=server.root_token,
                    body={"token": text},
                )  # fmt: skip
                text = moved.json["wrap_info"]["token"]
                await server.ask("POST", "sys/wrapping/unwrap", token=text)
                await server.ask("POST", "sys/wrapping/unwrap", 400, token=text)
        await server.ask("GET", "sys/wrapping/pubkey")


async def wrapped(server: RecordingServer, path: str, body: dict[str, Any]) -> str:
    """The wrapping token of an answer."""
    answer = await server.expect(
        200, "POST", path, token=server.root_token, body=body, headers=WRAP
    )
    return str(answer.json["wrap_info"]["token"])


SCENES: Final = (put_away,)
