"""Requests of a relay's connections are its clients', and nobody else's."""

import asyncio
import json
from typing import Any

import pytest

from custody.http.relayed import Relayed

CLIENTS = {("127.0.0.9", 4000): ("203.0.113.7", 4711)}


def seen(client: object) -> Any:
    """The client that the application sees, or the status and text of the refusal."""
    found: list[Any] = []
    sent: list[Any] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        found.append(scope.get("client"))

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read here")

    scope = {"type": "http", "headers": [], "client": client}
    asyncio.run(Relayed(app, CLIENTS)(scope, receive, send))
    return found[0] if found else (sent[0]["status"], json.loads(sent[1]["body"])["errors"])


@pytest.mark.parametrize("port", [4000, "4000"])
def test_a_connection_of_the_relay_is_its_clients(port: object) -> None:
    assert seen(("127.0.0.9", port)) == ("203.0.113.7", 4711)


@pytest.mark.parametrize("client", [("127.0.0.1", 4000), ("127.0.0.9", 4001), ("", "0"), None])
def test_a_connection_of_somebody_else_is_refused(client: object) -> None:
    assert seen(client) == (400, ["the connection does not come from this listener's relay"])
