"""What the supervisor does when its processes misbehave: a test's own ones, and real ones."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.harness import Server, alive

_SCENE = """
import os, socket, subprocess, sys, threading, time
from custody.base.clock import SystemClock
from custody.serve import journal, notify, page
from custody.serve.children import Child, CUSTODIAN
from custody.serve.settings import Settings
from custody.serve.supervisor import Around, Supervisor
from custody.serve.watchdog import Patience

SCRIPT = "import os, sys, time; os.write(int(sys.argv[1]), b'r'); time.sleep(60)"
started = []

fd = page.create()
journal.lay_out(fd)
shared = page.Page(fd)

class Nursery:
    page = fd
    settings = Settings(data_path="/", listeners=[], workers=1, drain=1.0)

    def _start(self, role, slot, now_ns):
        life, ready = os.pipe2(os.O_NONBLOCK)
        process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(ready)], pass_fds=(ready,))
        os.close(ready)
        started.append(role)
        return Child(role, slot, process, os.pidfd_open(process.pid), life, now_ns)

    def custodian(self, slot, now_ns, *, shut=False):
        ours, self.theirs = socket.socketpair()
        return self._start(CUSTODIAN, slot, now_ns), ours

    def member(self, role, slot, line, now_ns):
        return self._start(role, slot, now_ns)

def scene():
    BODY

def ready():
    threading.Thread(target=scene, daemon=True).start()

around = Around(lambda: None, notify.Notifier(''))
patience = Patience(write=2 * 10**9)
status = Supervisor(Nursery(), shared, SystemClock(), around, patience).run(ready)
print(status, shared.totals()["stuck_writers_killed"], shared.totals()["respawns"], *started)
"""


def _play(body: str) -> str:
    scene = _SCENE.replace("BODY", body)
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", scene], capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.strip()


def test_a_writer_that_is_stuck_is_killed_and_replaced() -> None:
    body = """
    shared.slot(2).stamp(SystemClock().boot_ns())
    while len(started) < 4:
        time.sleep(0.01)
    os.kill(os.getpid(), 15)
    """
    assert _play(body) == "0 1 1 custodian steward worker worker"


def test_a_writer_that_is_only_busy_is_left_alone() -> None:
    body = """
    for _ in range(8):
        shared.slot(2).stamp(SystemClock().boot_ns())
        time.sleep(0.5)
    os.kill(os.getpid(), 15)
    """
    assert _play(body) == "0 0 0 custodian steward worker"


_IMPATIENT = """
import sys
from custody.serve.supervisor import main
from custody.serve.watchdog import Patience
sys.exit(main(sys.argv[1:], Patience(beat=6 * 10**9)))
"""


class Impatient(Server):
    """A real node whose supervisor waits six seconds for a process."""

    def command(self, config: Path) -> list[str | Path]:
        """What starts it."""
        return [sys.executable, "-c", _IMPATIENT, f"-config={config}"]

    def one(self, role: str) -> int:
        """A process of that role."""
        return self.of_role(role)[0]

    def killed(self) -> int:
        """How many processes were killed since they hung."""
        counters = self.expect(200, "GET", "sys/metrics").body["Counters"]
        counts = {one["Name"]: one["Count"] for one in counters}
        return int(counts["custody.hung_processes_killed"])


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Impatient]:
    """A node that is unsealed."""
    with Impatient(tmp_path) as server:
        server.initialise()
        yield server


@pytest.mark.parametrize("role", ["worker", "steward"])
def test_a_process_that_hangs_is_replaced_and_the_node_stays_unsealed(
    node: Impatient, role: str
) -> None:
    hung = node.one(role)
    os.kill(hung, signal.SIGSTOP)
    node.wait_until_replaced(hung)
    for _ in range(10):  # each on a connection that is dealt to some worker
        node.expect(200, "GET", "auth/token/lookup-self")
    assert f"{role}({hung}) hangs: killed" in node.log.read_text()
    assert node.killed() == 1


def test_a_custodian_that_hangs_could_not_seal_so_the_node_is_sealed(node: Impatient) -> None:
    before = list(node.pids())
    os.kill(node.one("custodian"), signal.SIGSTOP)
    node.wait_until_replaced(*before)
    assert node.expect(200, "GET", "sys/seal-status").body["sealed"] is True
    node.unseal()
    assert node.killed() == 1


def test_a_node_that_is_stopped_as_a_whole_and_goes_on_loses_no_process(node: Impatient) -> None:
    pids = sorted(node.pids())
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in (node.process.pid, *pids):
            os.kill(pid, number)
        time.sleep(8 if number == signal.SIGSTOP else 2)
    assert sorted(node.pids()) == pids
    node.expect(200, "GET", "auth/token/lookup-self")


def test_the_log_says_where_a_process_that_crashed_was(node: Impatient) -> None:
    crashed = node.one("worker")
    os.kill(crashed, signal.SIGABRT)
    node.wait_until_replaced(crashed)
    log = node.log.read_text()
    line = next(line for line in log.splitlines() if f"worker({crashed}) was at" in line)
    assert "custody/serve/worker.py" in line
    assert not alive(crashed)
