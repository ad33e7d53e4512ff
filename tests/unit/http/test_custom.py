"""Headers that an operator adds, by status."""

import asyncio
from typing import Any

import pytest

from custody.http.custom import CustomHeaders

NAMED = {
    "default": {"x-a": "all", "cache-control": "private"},
    "4xx": {"x-a": "class"},
    "404": {"x-a": "status"},
}


@pytest.mark.parametrize(("status", "text"), [(200, "all"), (403, "class"), (404, "status")])
def test_the_header_nearest_to_the_status_wins_and_replaces_ours(status: int, text: str) -> None:
    sent: list[Any] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        lines = [(b"cache-control", b"no-store"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read here")

    asyncio.run(CustomHeaders(app, NAMED)({"type": "http"}, receive, send))
    assert dict(sent[0]["headers"]) == {
        b"content-length": b"0",
        b"cache-control": b"private",
        b"x-a": text.encode(),
    }
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
