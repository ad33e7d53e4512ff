"""Starting the processes of a node: exec with exactly the descriptors that each needs."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from custody.serve import control, handoff, placement
from custody.serve.handoff import Handoff
from custody.serve.listeners import Sockets
from custody.serve.settings import Settings
from custody.serve.watchdog import places

CUSTODIAN, STEWARD, WORKER = "custodian", "steward", "worker"
_CHUNK = 1 << 16


@dataclass(slots=True, eq=False)
class Child:
    """A process and what tells of it: its end (pidfd), its readiness and how it crashed (life)."""

    role: str
    slot: int
    process: "subprocess.Popen[bytes]"
    pidfd: int
    life: int
    started_ns: int  # boot time
    ready: bool = False

    @property
    def pid(self) -> int:
        """The process's number."""
        return self.process.pid

    def kill(self, number: int) -> None:
        """Send a signal; nothing happens if the process has ended."""
        self.process.send_signal(number)

    def last_words(self) -> str:
        """Where its threads were as it crashed; empty where it did not. To be read once."""
        told = b""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.life, _CHUNK):
                told += chunk
        return places(told.decode(errors="replace"))

    def release(self) -> int:
        """Reap the ended process and close what told of it; its exit status."""
        os.close(self.pidfd)
        os.close(self.life)
        return self.process.wait()


@dataclass(frozen=True, slots=True)
class Nursery:
    """What every child is started with."""

    settings: Settings
    page: int
    board: int
    sockets: Sockets
    environment: Mapping[str, str]

    def custodian(
        self, slot: int, now_ns: int, *, shut: bool = False
    ) -> tuple[Child, socket.socket]:
        """A custodian, and the supervisor's end of its control line.

        With `shut` it does not open by itself: somebody has sealed the node.
        """
        ours, theirs = control.pair()
        with theirs:
            return self._start(CUSTODIAN, slot, theirs.fileno(), (), now_ns, shut=shut), ours

    def member(self, role: str, slot: int, line: socket.socket, now_ns: int) -> Child:
        """A worker or the steward; its custodian gets the other end of its stream by `line`.

        Raises OSError when the custodian is gone.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ours, theirs:
            control.send(line, control.Attach(), ours)
            listeners = self.sockets.of(slot) if role == WORKER else ()
            return self._start(role, slot, theirs.fileno(), listeners, now_ns)

    def _start(
        self,
        role: str,
        slot: int,
        custodian: int,
        listeners: Sequence[int],
        now_ns: int,
        *,
        shut: bool = False,
    ) -> Child:
        processor = self._processor(role, slot)
        life, ready = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        given = Handoff(
            role=role,
            slot=slot,
            parent=os.getpid(),
            page=self.page,
            board=self.board,
            life=ready,
            custodian=custodian,
            listeners=list(listeners),
            settings=self.settings if role == CUSTODIAN else self.settings.without_keys(),
            shut=role == CUSTODIAN and shut,
            processor=processor,
        )
        try:
            process = self._execute(given)
        except OSError:
            os.close(life)
            raise
        finally:
            os.close(ready)
        return Child(role, slot, process, os.pidfd_open(process.pid), life, now_ns)

    def _processor(self, role: str, slot: int) -> int | None:
        if role != WORKER or not self.settings.pin_workers:
            return None
        return placement.processor(slot, self.settings.workers, os.sched_getaffinity(0))

    def _execute(self, given: Handoff) -> "subprocess.Popen[bytes]":
        """The process of a handoff, with the descriptors that it names and no others."""
        fd = handoff.write(given)
        try:
            return subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-P", "-m", f"custody.serve.{given.role}", str(fd)],
                stdin=subprocess.DEVNULL,
                pass_fds=(fd, *given.inherited),
                env=dict(self.environment),
            )
        finally:
            os.close(fd)
