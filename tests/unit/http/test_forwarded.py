"""Whose X-Forwarded-For is believed, and which of its addresses."""

import asyncio
import json
from typing import Any

import pytest

from custody.http.forwarded import ForwardedFor

PROXY = "10.0.0.1"


def seen(
    *values: str, client: str = PROXY, networks: tuple[str, ...] = ("10.0.0.0/8",), **settings: Any
) -> tuple[str, int] | str:
    """The client that the application sees, or the text of the refusal."""
    found: list[tuple[str, int]] = []
    sent: list[Any] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        found.append(scope["client"])

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read here")

    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in values]
    scope = {"type": "http", "headers": headers, "client": (client, 4711)}
    asyncio.run(ForwardedFor(app, networks, **settings)(scope, receive, send))
    if found:
        assert not sent
        return found[0]
    assert sent[0]["status"] == 400
    return str(json.loads(sent[1]["body"])["errors"][0])


@pytest.mark.parametrize(
    ("values", "skips", "client"),
    [
        (["1.2.3.4"], 0, "1.2.3.4"),
        (["9.9.9.9, 1.2.3.4"], 0, "1.2.3.4"),  # only what the nearest proxy wrote
        (["9.9.9.9, 1.2.3.4"], 1, "9.9.9.9"),
        (["9.9.9.9", "1.2.3.4"], 0, "1.2.3.4"),
        (["1.2.3.4:5555"], 0, "1.2.3.4"),
        (["[2001:db8::1]:5555"], 0, "2001:db8::1"),
        (["2001:db8::1"], 0, "2001:db8::1"),
        (["::ffff:1.2.3.4"], 0, "1.2.3.4"),
    ],
)
def test_the_address_that_a_trusted_proxy_wrote_is_the_clients(
    values: list[str], skips: int, client: str
) -> None:
    assert seen(*values, hop_skips=skips) == (client, 4711)


def test_a_header_from_anybody_else_is_refused_or_not_believed() -> None:
    text = "client address not authorized for x-forwarded-for and configured to reject connection"
    assert seen("1.2.3.4", client="11.0.0.1") == text
    assert seen("1.2.3.4", client="11.0.0.1", reject_strangers=False) == ("11.0.0.1", 4711)
    assert seen("1.2.3.4", client="nonsense", reject_strangers=False) == ("nonsense", 4711)


def test_a_proxy_over_ipv6_that_maps_ipv4_is_the_same_proxy() -> None:
    assert seen("1.2.3.4", client="::ffff:10.0.0.1") == ("1.2.3.4", 4711)


def test_a_request_without_the_header_is_refused_or_the_proxys_own() -> None:
    text = "missing x-forwarded-for header and configured to reject when not present"
    assert seen() == text
    assert seen(reject_absent=False) == (PROXY, 4711)


@pytest.mark.parametrize("value", ["garbage", "", "1.2.3.4,", "300.1.1.1", "1.2.3.4\xff"])
def test_what_is_no_address_is_refused(value: str) -> None:
    assert seen(value) == "x-forwarded-for does not hold an address"


def test_a_chain_shorter_than_the_hops_to_skip_is_refused() -> None:
    assert seen("1.2.3.4", hop_skips=1) == (
        "malformed x-forwarded-for configuration or request, hops to skip (1) would skip before"
        " earliest chain link (chain length 1)"
    )
