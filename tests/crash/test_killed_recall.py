"""kill -9 while tokens are revoked by the path that made them: all are, or none, and for good.

What was acknowledged holds from the first request after the crash on, however far the rows of
those tokens have been cleared; and in the end they are, whoever is killed meanwhile.
"""

import contextlib
import http.client
import os
import random
import signal
import threading
import time

from tests.harness import Client, Server, eventually, findings, open_barrier

from custody.base.store import Table
from custody.token import recall

_TOKENS = 250
_SAMPLE = 25
_MOMENTS = (0.0, 0.06)  # seconds until the end comes
_CLEARED = 60.0  # seconds


def test_tokens_recalled_by_path_are_gone_together_and_for_good_whatever_is_killed(
    node: Server, rounds: int, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - chooses moments and tokens
    node.expect(204, "POST", "auth/token/roles/ci", {"orphan": True})
    kept: list[str] = []
    for _ in range(max(2, rounds // 8)):
        with node.client() as client:
            doomed = [_made(client, "create/ci") for _ in range(_TOKENS)]
            kept.append(_made(client, "create"))
        answered = _recall_and_kill(node, chance)
        with node.client() as client:
            gone = _gone(client, chance.sample(doomed, _SAMPLE))
            assert gone == {True} or (gone == {False} and not answered)
            if gone == {False}:
                client.expect(204, "PUT", "sys/leases/revoke-prefix/auth/token/create/ci")
            kept.append(_made(client, "create/ci"))
            _kill_steward(node)
            assert _gone(client, doomed) == {True}
            assert _gone(client, kept) == {False}
        _wait_until_cleared(node, kept)
        node.expect(204, "PUT", "sys/leases/revoke-prefix/auth/token/create/ci")
        kept = kept[:-1]
        _wait_until_cleared(node, kept)
    node.stop()
    with open_barrier(node.data, node.shares) as barrier:
        assert findings(barrier) == []


def _recall_and_kill(node: Server, chance: random.Random) -> bool:
    """Whether the recall was acknowledged before everything was killed."""
    answered: list[int] = []

    def ask() -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            path = "sys/leases/revoke-prefix/auth/token/create/ci"
            answered.append(node.call("PUT", path).status)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(chance.uniform(*_MOMENTS))
    node.kill()
    asking.join()
    node.start()
    node.unseal()
    return answered == [204]


def _kill_steward(node: Server) -> None:
    [steward] = node.of_role("steward")
    os.kill(steward, signal.SIGKILL)
    node.wait_until_replaced(steward)


def _wait_until_cleared(node: Server, kept: list[str]) -> None:
    """Only the root token and `kept` have rows, and nothing is recalled any more."""

    def cleared() -> bool:
        with open_barrier(node.data, node.shares) as barrier, barrier.snapshot() as rows:
            tokens = rows.keys(Table.TOKEN, b"", limit=10 * _TOKENS)
            return len(tokens) == len(kept) + 2 and not recall.read(rows).waiting

    eventually(cleared, _CLEARED)


def _made(client: Client, way: str) -> str:
    body = {"ttl": "1h", "policies": ["default"]}
    answer = client.expect(200, "POST", f"auth/token/{way}", body)
    return str(answer.body["auth"]["client_token"])


def _gone(client: Client, tokens: list[str]) -> set[bool]:
    """Whether they are let in: one answer, or both."""
    return {
        client.call("GET", "auth/token/lookup-self", token=token).status == 403 for token in tokens
    }
