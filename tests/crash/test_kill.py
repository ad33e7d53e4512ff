"""kill -9 at random moments under concurrent writes: nothing acknowledged is lost, nothing is half.

A commit's record may come after the fact: what a killed process had committed and not recorded is
recorded by the steward, so that is looked at once, at the end of all rounds.
"""

import os
import random
import signal
import time

from tests.crash.load import FOLDER, AuditTrail, Ledger, Load, check
from tests.harness import Server, eventually, findings, kill_all, open_barrier

from custody.barrier.barrier import Barrier
from custody.base.store import Table

_LOAD_SECONDS = (0.1, 0.7)
_RECOVERY_SECONDS = 60.0  # for records after the fact; the steward waits ten seconds on purpose


class Campaign:
    """Rounds of load and kills on one node, and what is known of it."""

    def __init__(self, server: Server, seed: int) -> None:
        self.server = server
        self.chance = random.Random(seed)  # noqa: S311 - chooses when and whom to kill
        self.trail = AuditTrail(server)
        self.ledgers: list[Ledger] = []
        self.acknowledged: set[str] = set()  # request ids
        self.surprises: set[str] = set()  # request ids of commits that were not answered
        server.expect(204, "POST", "secret/config", {"max_versions": 1000})

    def load(self) -> Load:
        """Writers that have been at it for a random time."""
        writers = Load(self.server, self.chance, f"r{len(self.ledgers)}")
        time.sleep(self.chance.uniform(*_LOAD_SECONDS))
        return writers

    def settle(self, ledger: Ledger) -> None:
        """Check a round: the store against what was acknowledged, and the records of it."""
        self.ledgers.append(ledger)
        # A killed writer's last commit may show only with the next one: let there be one.
        self.server.expect(200, "POST", "secret/data/next", {"data": {}})
        unanswered = check(self.server, ledger)
        self.trail.catch_up()
        answered = self._answered(ledger)
        unrecorded = answered - self.trail.events.keys()
        assert not unrecorded, f"answered without a record: {unrecorded}"
        self.acknowledged |= answered
        self.surprises |= {
            self.trail.request_of(f"secret/data/{key}", attempt.value)
            for key, attempt in unanswered
        }

    def finish(self) -> None:
        """Check all rounds again, that every commit has one record, and the bytes on disk."""
        for ledger in self.ledgers:
            check(self.server, ledger)
        with open_barrier(self.server.data, self.server.shares) as barrier:
            eventually(lambda: not _pending(barrier), _RECOVERY_SECONDS)
        self.server.stop()
        self._check_records()
        with open_barrier(self.server.data, self.server.shares) as barrier:
            assert findings(barrier) == []

    def _answered(self, ledger: Ledger) -> set[str]:
        revocations = [
            self.trail.request_of("auth/token/revoke", token) for token in sorted(ledger.revoked)
        ]
        return {*ledger.acknowledged(), *revocations}

    def _check_records(self) -> None:
        self.trail.catch_up()
        events = self.trail.events
        unrecorded = self.surprises - events.keys()
        assert not unrecorded, f"committed without a record: {unrecorded}"
        twice = [event for event, records in events.items() if len(records) != 1]
        assert not twice, f"recorded more than once: {twice}"
        written = {
            event
            for event, [record] in events.items()
            if record["request"]["path"].startswith(f"secret/data/{FOLDER}/")
            and "error" not in record
        }
        invented = written - self.acknowledged - self.surprises
        assert not invented, f"records of commits that did not happen: {invented}"


def _pending(barrier: Barrier) -> int:
    """How many commits no device is known to have a record of."""
    with barrier.snapshot() as rows:
        return len(rows.keys(Table.OUTBOX, b""))


def test_killing_everything_loses_nothing_that_was_acknowledged(
    node: Server, rounds: int, seed: int
) -> None:
    campaign = Campaign(node, seed)
    for _ in range(rounds):
        writers = campaign.load()
        kill_all([node.process.pid, *node.pids()])
        ledger = writers.stop()
        node.kill()
        node.start()
        node.unseal()
        campaign.settle(ledger)
    campaign.finish()


def test_killing_any_one_process_loses_nothing_that_was_acknowledged(
    node: Server, rounds: int, seed: int
) -> None:
    campaign = Campaign(node, seed)
    for _ in range(rounds):
        writers = campaign.load()
        pid, role = campaign.chance.choice([(node.process.pid, "supervisor"), *node.pids().items()])
        os.kill(pid, signal.SIGKILL)
        ledger = writers.stop()
        if role == "supervisor":
            node.kill()
            node.start()
        else:
            node.wait_until_replaced(pid)
        if role in ("supervisor", "custodian"):
            assert node.call("GET", "sys/seal-status").body["sealed"] is True
            node.unseal()
        campaign.settle(ledger)
    campaign.finish()
