"""What the supervisor makes of its custodian's words."""

import os
import queue
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from custody.base.clock import SystemClock
from custody.serve import children, config, control, handoff, journal, page, reload
from custody.serve.children import Child, Nursery
from custody.serve.control import Opened, SealAll, Shut
from custody.serve.listeners import Sockets
from custody.serve.notify import Notifier
from custody.serve.settings import Settings
from custody.serve.supervisor import Around, Supervisor

SETTINGS = Settings(data_path="/nowhere", listeners=[])
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Custodians(Nursery):
    """Starts processes that only wait; each custodian's words are the test's.

    `said` is what the first has said before anybody can listen: the supervisor cuts a custodian off
    a moment after it began to end it, however long the test has to wait for its turn to speak.
    """

    said: tuple[control.Message, ...] = ()
    started: "queue.Queue[tuple[socket.socket, bool]]" = field(default_factory=queue.Queue)
    lines: list[socket.socket] = field(default_factory=list)
    pids: list[int] = field(default_factory=list)

    def custodian(
        self, slot: int, now_ns: int, *, shut: bool = False
    ) -> tuple[Child, socket.socket]:
        """A custodian; the other end of its line, and whether it is shut, are in `started`."""
        ours, theirs = control.pair()
        if not self.lines:
            for message in self.said:
                control.send(theirs, message)
        self.lines.append(theirs)
        child = _waiting(children.CUSTODIAN, slot, now_ns)
        self.pids.append(child.pid)
        self.started.put((theirs, shut))
        return child, ours

    def member(self, role: str, slot: int, line: socket.socket, now_ns: int) -> Child:
        """A member that nobody introduces to its custodian."""
        del line
        return _waiting(role, slot, now_ns)


def _waiting(role: str, slot: int, now_ns: int) -> Child:
    life, ready = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    os.write(ready, handoff.READY)
    os.close(ready)
    process = subprocess.Popen(["/bin/sleep", "60"])
    return Child(role, slot, process, os.pidfd_open(process.pid), life, now_ns)


@pytest.fixture
def own_signals() -> Iterator[None]:
    """Signals as they were, after a supervisor has run in this process."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


def supervise(
    settings: Settings, act: Callable[[Custodians], None], *said: control.Message
) -> None:
    """Run a supervisor until `act`, which hears of every custodian, has returned."""
    fd = page.create()
    journal.lay_out(fd)
    sockets = Sockets(settings.listeners)
    nursery = Custodians(settings, fd, reload.board(), sockets, {}, said=said)

    def play() -> None:
        try:
            act(nursery)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    def announced() -> None:
        playing.append(pool.submit(play))

    def load() -> tuple[Settings, list[str]]:
        raise config.BadConfiguration("nothing is reloaded here")

    playing: list[Future[None]] = []
    with ThreadPoolExecutor(1) as pool:
        node = Supervisor(nursery, page.Page(fd), SystemClock(), Around(load, Notifier("")))
        assert node.run(announced) == 0
    sockets.close()
    for line in nursery.lines:
        line.close()
    for done in playing:
        done.result()


@pytest.mark.usefixtures("own_signals")
@pytest.mark.parametrize(
    ("said", "shut"),
    [
        ([Shut(), SealAll()], True),
        ([Shut(), SealAll(), Opened()], True),
        ([Shut(), SealAll(), SealAll()], True),
        ([Opened(), Shut(), SealAll()], True),
        ([Opened(), SealAll()], False),
        ([SealAll(), Shut(), SealAll()], True),
    ],
)
def test_a_node_that_somebody_sealed_is_started_shut_whatever_is_said_while_it_ends(
    said: list[control.Message],
    shut: bool,  # noqa: FBT001 a column of the table
) -> None:
    def act(custodians: Custodians) -> None:
        assert custodians.started.get(timeout=10)[1] is False
        assert custodians.started.get(timeout=10)[1] is shut

    supervise(SETTINGS, act, *said)


@pytest.mark.usefixtures("own_signals")
def test_a_shut_node_is_started_shut_until_people_have_opened_it() -> None:
    def act(custodians: Custodians) -> None:
        shut = []
        told: list[list[control.Message]]
        told = [[Shut(), SealAll()], [SealAll()], [Opened(), SealAll()], []]
        for said in told:
            line, started_shut = custodians.started.get(timeout=10)
            shut.append(started_shut)
            for message in said:
                control.send(line, message)
        assert shut == [False, True, True, False]

    supervise(SETTINGS, act)


@pytest.mark.usefixtures("own_signals")
@pytest.mark.parametrize(
    ("said", "shut"), [([Opened(), Shut()], True), ([Opened()], False), ([Shut(), Opened()], False)]
)
def test_what_the_custodian_said_last_counts_also_where_it_ends_at_once(
    said: list[control.Message],
    shut: bool,  # noqa: FBT001 a column of the table
) -> None:
    def act(custodians: Custodians) -> None:
        line, _ = custodians.started.get(timeout=10)
        for message in said:
            control.send(line, message)
        os.kill(custodians.pids[-1], signal.SIGKILL)
        assert custodians.started.get(timeout=10)[1] is shut

    supervise(SETTINGS, act)
