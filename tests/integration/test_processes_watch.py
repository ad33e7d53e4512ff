"""The supervisor over children of a test's own making: what it does when they misbehave."""

import subprocess
import sys

_SCENE = """
import os, socket, subprocess, sys, threading, time
from custody.base.clock import SystemClock
from custody.serve import journal, notify, page
from custody.serve.children import Child, CUSTODIAN
from custody.serve.settings import Settings
from custody.serve.supervisor import Around, Supervisor

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
status = Supervisor(Nursery(), shared, SystemClock(), around).run(ready)
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
    shared.slot(2).stamp(SystemClock().boot_ns() - 6 * 10**9)
    while len(started) < 4:
        time.sleep(0.01)
    os.kill(os.getpid(), 15)
    """
    assert _play(body) == "0 1 1 custodian steward worker worker"


def test_a_writer_that_is_only_busy_is_left_alone() -> None:
    body = """
    shared.slot(2).stamp(SystemClock().boot_ns() - 2 * 10**9)
    time.sleep(1.2)
    os.kill(os.getpid(), 15)
    """
    assert _play(body) == "0 0 0 custodian steward worker"
