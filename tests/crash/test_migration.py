"""kill -9 while a store moves to another seal: always the old seal opens it or the new one does."""

import contextlib
import http.client
import random
import threading
import time

from tests.harness import Server, eventually, kill_all

_LATEST = 0.03  # seconds after the last share was sent
_KEY = "5a" * 32
_STATIC = f'seal "static" {{ current_key_id = "one"\n current_key = "{_KEY}" }}\n'
_GIVEN_UP = 'seal "static" { disabled = "true" }\n'


def _status(server: Server) -> dict[str, object]:
    found: dict[str, object] = server.expect(200, "GET", "sys/seal-status").body
    return found


def _migrate(server: Server) -> None:
    """Give the one share, for the migration, while somebody kills the server."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        server.call("PUT", "sys/unseal", {"key": server.shares[0], "migrate": True})


def _open(server: Server, *, automatic: bool) -> None:
    """Open what a killed migration left, by the seal that it is under."""
    if _status(server)["migration"]:
        server.expect(200, "PUT", "sys/unseal", {"key": server.shares[0], "migrate": True})
    elif not automatic:
        server.expect(200, "PUT", "sys/unseal", {"key": server.shares[0]})
    eventually(lambda: _status(server)["sealed"] is False)


def test_a_killed_migration_leaves_a_store_that_the_old_seal_or_the_new_one_opens(
    node: Server, rounds: int, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - chooses when to kill
    node.expect(200, "POST", "secret/data/a", {"data": {"a": "1"}})
    for number in range(max(4, rounds // 5)):
        automatic = number % 2 == 0
        node.stop()
        node.settings = _STATIC if automatic else _GIVEN_UP
        node.start()
        assert _status(node)["migration"] is True
        last = threading.Thread(target=_migrate, args=(node,))
        last.start()
        time.sleep(chance.uniform(0, _LATEST))
        kill_all([node.process.pid, *node.pids()])
        last.join()
        node.kill()
        node.start()
        _open(node, automatic=automatic)
        assert node.expect(200, "GET", "secret/data/a").data["data"] == {"a": "1"}
