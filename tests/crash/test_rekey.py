"""kill -9 while new shares take effect: always the old ones open the store or the new ones do."""

import contextlib
import http.client
import random
import threading
import time

from tests.harness import Server, findings, kill_all, open_barrier

_LATEST = 0.03  # seconds after the last share was sent


class Round:
    """One rekey of a node with one share, until it is killed."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.old = server.shares[0]
        body = {"secret_shares": 1, "secret_threshold": 1, "require_verification": True}
        nonce = server.expect(200, "PUT", "sys/rekey/init", body).body["nonce"]
        made = self.ask("update", self.old, nonce)
        self.new = str(made["keys"][0])
        self.nonce = made["verification_nonce"]
        self.answered = False

    def ask(self, path: str, share: str, nonce: str) -> dict[str, str]:
        """Give a share; the answer."""
        sent = {"key": share, "nonce": nonce}
        found: dict[str, str] = self.server.expect(200, "PUT", f"sys/rekey/{path}", sent).body
        return found

    def finish(self) -> None:
        """Prove the new share, while somebody kills the server."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.ask("verify", self.new, self.nonce)
            self.answered = True

    def opens(self, share: str) -> bool:
        """Whether the sealed node opens with this share."""
        answer = self.server.call("PUT", "sys/unseal", {"key": share})
        return answer.status == 200 and not answer.body["sealed"]


def test_a_killed_rekey_leaves_the_old_share_valid_or_the_new_one(
    node: Server, rounds: int, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - chooses when to kill
    node.expect(200, "POST", "secret/data/a", {"data": {"a": "1"}})
    for _ in range(max(3, rounds // 5)):
        rekey = Round(node)
        last = threading.Thread(target=rekey.finish)
        last.start()
        time.sleep(chance.uniform(0, _LATEST))
        kill_all([node.process.pid, *node.pids()])
        last.join()
        node.kill()
        node.start()
        old = rekey.opens(rekey.old)
        assert not (old and rekey.answered), "the old share is valid after the rekey was answered"
        assert old or rekey.opens(rekey.new), "neither share opens the store"
        node.shares = [rekey.old if old else rekey.new]
        assert node.expect(200, "GET", "secret/data/a").data["data"] == {"a": "1"}
    node.stop()
    with open_barrier(node.data, node.shares) as barrier:
        assert findings(barrier) == []
