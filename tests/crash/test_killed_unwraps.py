"""kill -9 while wrapping tokens are used: what one holds comes out once at most, and is not lost.

Several clients show each token at the same time, so that the single use is raced for, too.
"""

import http.client
import random
import threading
import time
from dataclasses import dataclass, field

from tests.harness import Client, Server

_TOKENS = 60
_CLIENTS = 4
_MOMENTS = (0.0, 0.12)  # seconds until the end comes


@dataclass(slots=True)
class Wrapped:
    """A wrapping token, what it holds, and what was heard of it."""

    token: str
    content: str
    received: list[str] = field(default_factory=list)
    doubtful: bool = False  # an attempt had no answer


def test_what_a_wrapping_token_holds_comes_out_once_whatever_is_killed(
    node: Server, rounds: int, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - chooses moments and order
    seen = 0
    for number in range(max(1, rounds // 6)):
        wrapped = _put_away(node, number)
        threads = [
            threading.Thread(target=_race, args=(node.client(), wrapped, chance.random()))
            for _ in range(_CLIENTS)
        ]
        for thread in threads:
            thread.start()
        time.sleep(chance.uniform(*_MOMENTS))
        node.kill()
        for thread in threads:
            thread.join()
        node.start()
        node.unseal()
        with node.client() as client:
            for one in wrapped:
                _check(client, one)
        seen += sum(len(one.received) for one in wrapped)
    assert seen


def _put_away(node: Server, number: int) -> list[Wrapped]:
    made = []
    with node.client() as client:
        for count in range(_TOKENS):
            content = f"content-{number}-{count}"
            client.headers = {"X-Vault-Wrap-TTL": "1h"}
            answer = client.expect(200, "POST", "sys/wrapping/wrap", {"content": content})
            assert answer.body is not None
            made.append(Wrapped(answer.body["wrap_info"]["token"], content))
    return made


def _race(client: Client, wrapped: list[Wrapped], chance: float) -> None:
    """Show every token once, in an order of one's own, until the server is gone."""
    order = random.Random(chance).sample(wrapped, len(wrapped))  # noqa: S311 - an order
    for one in order:
        try:
            answer = client.call("POST", "sys/wrapping/unwrap", token=one.token)
        except (OSError, http.client.HTTPException):
            one.doubtful = True
            break
        assert answer.status in {200, 400}, answer.body
        if answer.status == 200:
            one.received.append(answer.data["content"])
    client.close()


def _check(client: Client, one: Wrapped) -> None:
    again = client.call("POST", "sys/wrapping/unwrap", token=one.token)
    if again.status == 200:
        assert not one.received, "what was taken out is there again"
        assert again.data["content"] == one.content
    else:
        assert again.status == 400
        assert again.body is not None
        assert again.body["wrapping_token"]["used_time"]
        assert one.received == [one.content] or (one.doubtful and not one.received)
    assert client.call("POST", "sys/wrapping/unwrap", token=one.token).status == 400
