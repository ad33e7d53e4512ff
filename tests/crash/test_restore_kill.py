"""kill -9 at random moments of a restore: the store is the old one or the new one, and whole.

What was revoked before the kill is revoked after it, whichever of the two it is.
"""

import contextlib
import http.client
import random
import threading
import time

from tests.harness import Client, Server

ROUNDS = 8
ROWS = 60


def test_a_killed_restore_leaves_the_old_store_or_the_new_one(node: Server, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - chooses when to kill
    for number in range(ROWS):
        body = {"data": {"v": "x" * 20_000}}
        node.expect(200, "POST", f"secret/data/fill/{number}", body)
    seen = set()
    for number in range(ROUNDS):
        seen.add(_round(node, chance, number))
    assert seen <= {"old", "new"}


def _round(node: Server, chance: random.Random, number: int) -> str:
    """One restore that is killed somewhere; which of the two stores there is after it."""
    node.expect(200, "POST", "secret/data/state", {"data": {"v": f"new {number}"}})
    made = node.expect(200, "POST", "auth/token/create", {"policies": ["default"]})
    token = made.body["auth"]["client_token"]
    snapshot = _fetch(node)
    node.expect(200, "POST", "secret/data/state", {"data": {"v": f"old {number}"}})
    node.expect(204, "POST", "auth/token/revoke", {"token": token})
    restoring = threading.Thread(target=_restore, args=(node, snapshot))
    restoring.start()
    time.sleep(chance.uniform(0.0, 0.4))
    node.kill()
    restoring.join()
    node.start()
    node.unseal()
    state = str(node.expect(200, "GET", "secret/data/state").data["data"]["v"])
    with Client(node.port) as client:
        assert client.call("GET", "auth/token/lookup-self", token=token).status == 403
    found = node.expect(200, "POST", "sys/verify", {}).data
    assert (found["found"], found["unfinished"]) == (0, []), found
    kind, _, of_round = state.partition(" ")
    assert int(of_round) == number
    return kind


def _fetch(node: Server) -> bytes:
    with Client(node.port) as client:
        client.link.request(
            "GET", "/v1/sys/storage/snapshot", headers={"X-Vault-Token": node.token}
        )
        response = client.link.getresponse()
        assert response.status == 200
        return response.read()


def _restore(node: Server, snapshot: bytes) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException), Client(node.port) as client:
        client.link.request(
            "POST", "/v1/sys/storage/snapshot", snapshot, {"X-Vault-Token": node.token}
        )
        client.link.getresponse().read()
