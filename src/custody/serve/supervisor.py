"""The supervisor: binds the sockets, starts the processes of a node and keeps them running.

It is one thread and holds no key. A child that ends is started again, after a growing pause; if
the custodian ends, all end and are started sealed. It does not end because a child crashed.
"""

import logging
import os
import select
import selectors
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from custody.base import log
from custody.base.clock import NANOSECOND, Clock, SystemClock
from custody.serve import (
    certificate,
    children,
    config,
    control,
    handoff,
    journal,
    notify,
    page,
    reload,
)
from custody.serve.backoff import Backoff
from custody.serve.children import Child, Nursery
from custody.serve.listeners import Sockets
from custody.serve.settings import Settings
from custody.serve.watchdog import Patience, Watchdog
from custody.storage.lock import DataInUse, DataLock

TICK = 0.5  # seconds between looks at what the processes do
SEAL_DRAIN = 1.0  # seconds that requests in flight get when the node is sealed
_LAST_WORDS_NS = NANOSECOND  # that a process which hangs gets to tell where it is
_PATIENT = 1.0  # seconds that who connects may wait for a worker that is started anew
_CUSTODIAN_SLOT, _STEWARD_SLOT, _FIRST_WORKER_SLOT = 0, 1, 2
Loaded = tuple[Settings, list[str]]
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Ending:
    """All processes are being ended: until when they are waited for, and when to start again."""

    deadline_ns: int
    restart_ns: int | None  # None: the node stops


@dataclass(frozen=True, slots=True)
class Around:
    """What is around a node: its configuration, to be read anew, and who wants to hear of it."""

    load: Callable[[], Loaded]
    notifier: notify.Notifier


class Supervisor:
    """One node's processes."""

    def __init__(
        self,
        nursery: Nursery,
        shared: page.Page,
        clock: Clock,
        around: Around,
        patience: Patience = Patience(),  # noqa: B008 it is frozen
    ) -> None:
        self._nursery = nursery
        self._around = around
        self._processes = _FIRST_WORKER_SLOT + nursery.settings.workers
        self._page = shared
        self._watchdog = Watchdog(shared, clock, patience)
        self._journal = journal.Journal(nursery.page)
        self._clock = clock
        self._events = selectors.DefaultSelector()
        self._children: dict[int, Child] = {}
        self._due: dict[int, int] = {}  # slot → boot time at which to start it again
        self._backoffs: dict[int, Backoff] = {}
        self._line: control.Line | None = None
        self._ending: _Ending | None = None
        self._announce: Callable[[], None] | None = None
        self._doomed: dict[int, tuple[Child, int]] = {}  # slot → who must be gone, and when
        self._configured_level = nursery.settings.log_level
        self._failed = False
        self._shut = False  # somebody sealed the node: it must not open by itself

    def run(self, announce: Callable[[], None]) -> int:
        """Start everything; the exit status once a signal has ended it.

        `announce` is called once, when all processes are ready.
        """
        self._announce = announce
        wake, waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(waker)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        self._events.register(wake, selectors.EVENT_READ, lambda: self._on_signals(wake))
        self._start_all()
        while not self._finished():
            for key, _ in self._events.select(self._pause()):
                key.data()
            self._on_time()
        return 1 if self._failed else 0

    def _finished(self) -> bool:
        return self._ending is not None and self._ending.restart_ns is None and not self._children

    # -- starting

    def _start_all(self) -> None:
        self._due.clear()
        self._around.notifier.tell(notify.SEALED)
        for slot in range(self._processes):
            self._start(slot)

    def _start(self, slot: int) -> None:
        now = self._clock.boot_ns()
        try:
            child = self._spawn(slot, now)
        except OSError as error:
            _log.error("cannot start a process: %s", error)
            self._due[slot] = now + int(self._backoff(slot).delay(0.0) * NANOSECOND)
            return
        self._children[slot] = child
        self._watch(child.pidfd, lambda: self._on_end(child))
        self._watch(child.life, lambda: self._on_life(child))

    def _spawn(self, slot: int, now: int) -> Child:
        if slot == _CUSTODIAN_SLOT:
            child, self._line = self._nursery.custodian(slot, now, shut=self._shut)
            self._watch(self._line.fileno(), self._on_line)
            return child
        if self._line is None:
            raise OSError("there is no custodian")
        role = children.STEWARD if slot == _STEWARD_SLOT else children.WORKER
        return self._nursery.member(role, slot, self._line, now)

    # -- ending

    def _end_all(self, grace: float, restart_ns: int | None) -> None:
        """Ask the members to drain, and see them gone when `grace` (seconds) is over."""
        deadline = self._clock.boot_ns() + int(grace * NANOSECOND)
        if self._ending is not None:
            deadline = min(deadline, self._ending.deadline_ns)
            restart_ns = restart_ns if self._ending.restart_ns is not None else None
        self._ending = _Ending(deadline, restart_ns)
        self._due.clear()
        for child in self._children.values():
            if child.role != children.CUSTODIAN:
                child.kill(signal.SIGTERM)

    def _kill_all(self) -> None:
        for child in self._children.values():
            child.kill(signal.SIGKILL)

    def _all_ended(self, ending: _Ending) -> None:
        self._hang_up()
        if ending.restart_ns is not None:
            self._ending = None
            self._due = {_CUSTODIAN_SLOT: ending.restart_ns}

    def _hang_up(self) -> None:
        if self._line is not None:
            self._events.unregister(self._line.fileno())
            self._line.close()
            self._line = None

    def _restart_members(self) -> None:
        """Ask the members to drain; those that still are there a moment later are killed."""
        deadline = self._clock.boot_ns() + int(SEAL_DRAIN * NANOSECOND)
        for child in self._children.values():
            if child.role != children.CUSTODIAN:
                child.kill(signal.SIGTERM)
                self._doomed[child.slot] = (child, deadline)

    def _kill_doomed(self, now: int) -> None:
        for slot, (child, deadline) in list(self._doomed.items()):
            if self._children.get(slot) is not child:
                del self._doomed[slot]
            elif now >= deadline:
                child.kill(signal.SIGKILL)

    # -- events

    def _watch(self, fd: int, react: Callable[[], None]) -> None:
        self._events.register(fd, selectors.EVENT_READ, react)

    def _on_life(self, child: Child) -> None:
        self._events.unregister(child.life)
        child.ready = handoff.READY in os.read(child.life, 1)
        started = [one for one in self._children.values() if one.ready]
        if self._announce is not None and len(started) == self._processes:
            announce, self._announce = self._announce, None
            announce()

    def _on_end(self, child: Child) -> None:
        self._events.unregister(child.pidfd)
        if child.life in self._events.get_map():
            self._events.unregister(child.life)
        where, status = child.last_words(), child.release()
        if where:
            _log.error("%s(%d) was at %s", child.role, child.pid, where)
        del self._children[child.slot]
        self._page.fold(child.slot)
        self._journal.want(child.slot, 0)
        if child.role == children.CUSTODIAN:
            self._hear_out()
        if self._ending is None:
            self._replace(child, status)
        if self._ending is not None and not self._children:
            self._all_ended(self._ending)

    def _replace(self, child: Child, status: int) -> None:
        asked = status == 0 and self._doomed.get(child.slot, (None, 0))[0] is child
        level = logging.INFO if asked else logging.WARNING
        _log.log(level, "%s(%d) ended with status %d", child.role, child.pid, status)
        if self._announce is not None and status == handoff.BAD_CONFIGURATION:
            self._failed = True
            self._end_all(0.0, restart_ns=None)
            return
        self._page.base().add("respawns")
        now = self._clock.boot_ns()
        lived = (now - child.started_ns) / NANOSECOND
        delay = self._backoff(child.slot).delay(lived)
        if delay > _PATIENT and child.role == children.WORKER:
            self._nursery.sockets.give_up(child.slot)
        due_ns = now + int(delay * NANOSECOND)
        if child.role == children.CUSTODIAN:
            _log.error("the custodian is gone: the node is sealed")
            self._end_all(0.0, due_ns)
            self._kill_all()
        else:
            self._due[child.slot] = due_ns

    def _backoff(self, slot: int) -> Backoff:
        return self._backoffs.setdefault(slot, Backoff())

    def _on_line(self) -> None:
        if self._line is None:
            return
        message, _ = control.receive(self._line)
        if message is None:  # the custodian's end is seen by its pidfd
            self._hang_up()
        elif isinstance(message, control.Shut):
            self._shut = True  # who sealed it is obeyed until people have opened it
        elif isinstance(message, control.SealAll):
            _log.info("sealed: ending every process that held keys")
            pause = 0.0 if self._shut else self._backoff(_CUSTODIAN_SLOT).delay(0.0)
            self._end_all(SEAL_DRAIN, self._clock.boot_ns() + int(pause * NANOSECOND))
        elif isinstance(message, control.Opened) and self._ending is None:
            self._shut = False
            self._around.notifier.tell(notify.UNSEALED)
        elif isinstance(message, control.SetLevel):
            self._set_level(message)
        elif isinstance(message, control.Restart) and self._ending is None:
            _log.info("the store was replaced: starting the members anew")
            self._restart_members()

    def _hear_out(self) -> None:
        """Take in what the custodian said before it ended."""
        if self._line is None:
            return
        said = select.poll()  # takes descriptors of any number
        said.register(self._line, select.POLLIN)
        while self._line is not None and said.poll(0):
            self._on_line()

    def _on_signals(self, wake: int) -> None:
        numbers = set(os.read(wake, 64))
        if signal.SIGHUP in numbers:
            self._reload()
        if numbers & {signal.SIGTERM, signal.SIGINT}:
            stopping = self._ending is not None and self._ending.restart_ns is None
            _log.info("stopping")
            self._around.notifier.tell(notify.STOPPING)
            self._end_all(0.0 if stopping else self._nursery.settings.drain, None)

    def _set_level(self, wish: control.SetLevel) -> None:
        """Log at another level, here and in every process, until the next start or reload."""
        settings = self._nursery.settings
        if wish.logger:
            own = {**settings.loggers, wish.logger: wish.level}
            loggers = {name: level for name, level in own.items() if level}
            settings = msgspec.structs.replace(settings, loggers=loggers)
        else:
            level = wish.level or self._configured_level
            settings = msgspec.structs.replace(settings, log_level=level, loggers={})
        self._hand_out(settings)

    def _reload(self) -> None:
        """Take what a running node can of the configuration; nothing of one that is wrong."""
        try:
            found, warnings = self._around.load()
            certificate.check_all(found)
        except (config.BadConfiguration, certificate.BadCertificate) as error:
            _log.error("not reloaded: %s", error)
            return
        settings, left = reload.merged(self._nursery.settings, found)
        for text in (*warnings, *(f"{key} is changed by a restart only" for key in left)):
            _log.warning("%s", text)
        self._configured_level = settings.log_level
        self._hand_out(settings)
        _log.info("reloaded")

    def _hand_out(self, settings: Settings) -> None:
        self._nursery = replace(self._nursery, settings=settings)
        log.configure("supervisor", settings.log_level, settings.log_format, settings.loggers)
        reload.post(self._nursery.board, settings)
        for child in self._children.values():
            child.kill(signal.SIGHUP)

    # -- time

    def _pause(self) -> float:
        """Seconds until there is something to do."""
        moments = list(self._due.values())
        if self._ending is not None:
            moments.append(self._ending.deadline_ns)
        wait = min(moments, default=0) - self._clock.boot_ns() if moments else TICK * NANOSECOND
        return min(TICK, max(0.0, wait / NANOSECOND))

    def _on_time(self) -> None:
        now = self._clock.boot_ns()
        if self._ending is not None:
            if now >= self._ending.deadline_ns or self._only_custodian():
                self._kill_all()
                self._ending = _Ending(now + NANOSECOND, self._ending.restart_ns)
            return
        self._kill_doomed(now)
        self._kill_hanging(now)
        for slot in sorted(slot for slot, due_ns in self._due.items() if due_ns <= now):
            if slot == _CUSTODIAN_SLOT:
                self._start_all()
                return
            del self._due[slot]
            self._start(slot)

    def _only_custodian(self) -> bool:
        return all(child.role == children.CUSTODIAN for child in self._children.values())

    def _kill_hanging(self, now: int) -> None:
        self._watchdog.look(self._children.keys())
        for slot, child in self._children.items():
            if slot in self._doomed:
                continue
            if self._watchdog.writes_too_long(slot):
                self._crash(child, now, "is stuck in a write", "stuck_writers_killed")
            elif self._watchdog.hangs(slot):
                self._crash(child, now, "hangs", "hung_processes_killed")

    def _crash(self, child: Child, now: int, why: str, counter: str) -> None:
        """End it so that it tells where it was, if it still can."""
        _log.error("%s(%d) %s: killed", child.role, child.pid, why)
        self._page.base().add(counter)
        child.kill(signal.SIGABRT)
        self._doomed[child.slot] = (child, now + _LAST_WORDS_NS)


def main(argv: list[str], patience: Patience = Patience()) -> int:  # noqa: B008 it is frozen
    """`custody server -config=FILE …`: run a node until a signal ends it; the exit status."""
    try:
        settings, warnings = config.load(argv)
    except config.BadConfiguration as error:
        print(f"custody: {error}", file=sys.stderr)  # noqa: T201 - before there is a log
        return 1
    log.configure("supervisor", settings.log_level, settings.log_format)
    for warning in warnings:
        _log.warning("%s", warning)
    handoff.harden()
    handoff.raise_file_limit()
    try:
        certificate.check_all(settings)
        lock = DataLock(Path(settings.data_path))
        try:
            around = Around(lambda: config.load(argv), notify.Notifier(config.service_manager()))
            return _serve(settings, around, patience)
        finally:
            lock.release()
    except (DataInUse, OSError, certificate.BadCertificate) as error:
        _log.error("cannot start: %s", error)
        return 1


def _serve(settings: Settings, around: Around, patience: Patience) -> int:
    sockets = Sockets(settings.listeners)
    fd = page.create(SystemClock().boot_ns())
    shared = page.Page(fd)
    shared.base().count_lost_lines()
    journal.lay_out(fd)
    journal.write(fd, journal.SUPERVISOR, "supervisor")
    nursery = Nursery(settings, fd, reload.board(), sockets, config.child_environment())

    def announce() -> None:
        urls = ", ".join(
            listener.url
            if listener.file is not None
            else msgspec.structs.replace(listener, port=address[1]).url
            for listener, address in zip(settings.listeners, sockets.addresses, strict=True)
        )
        print(f"custody is ready at {urls}", flush=True)  # noqa: T201 - the one line of output
        around.notifier.tell(notify.READY)

    try:
        node = Supervisor(nursery, shared, SystemClock(), around, patience)
        return node.run(announce)
    finally:
        sockets.close()
