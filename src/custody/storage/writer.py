"""The one thread of a process that writes to LMDB: jobs that wait together share one commit.

While one commit syncs, the next group gathers. Jobs see each other's changes in order, each in a
layer of its own (see `overlay`), and the rows that changed go to LMDB once, sorted, at the end.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import lmdb

from custody.base.clock import NANOSECOND, Clock
from custody.base.errors import StorageFull
from custody.base.store import RawRows, RawTransaction
from custody.storage.overlay import Overlay

MAX_JOBS = 512
MAX_JOB_TIME_NS = NANOSECOND // 200  # 5 ms, so that other processes get the lock
LATER_NS = NANOSECOND // 10

Stamp = Callable[[int], None]
ReadRows = Callable[[lmdb.Transaction], RawRows]


class Job(NamedTuple):
    """A function to run and who waits for its value; nobody waits for what came by `later`."""

    run: Callable[[RawTransaction], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any] | None


class Outcome(NamedTuple):
    """What became of a job."""

    job: Job
    value: Any
    error: Exception | None


class Writer:
    """Owns the write transactions of one environment in this process.

    `stamp` is told the boot time at which the write lock was obtained, and 0 when it was given
    back: whoever watches over this process sees a writer that is stuck.
    """

    def __init__(self, env: lmdb.Environment, read: ReadRows, stamp: Stamp, clock: Clock) -> None:
        self._env = env
        self._read = read
        self._stamp = stamp
        self._clock = clock
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._pending: deque[Job] = deque()
        self._later: deque[Job] = deque()
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="lmdb-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue a job for the next commit. Called by the loop's thread."""
        self._queue.put(job)

    def later(self, job: Job) -> None:
        """Queue a job that may wait for others, a tenth of a second at most."""
        self._later.append(job)
        if len(self._later) == 1:
            self._queue.put(None)

    def stop(self) -> None:
        """Finish what was accepted and end the thread; blocks."""
        self._closing = True
        self._queue.put(None)
        self._thread.join()

    def _serve(self) -> None:
        while self._gather():
            outcomes: list[Outcome] = []
            try:
                self._commit(outcomes)
            except Exception as error:  # noqa: BLE001 - whatever it is, all who wait must hear it
                failure = _failure(error, self._env.path())
                jobs = [outcome.job for outcome in outcomes] or self._drain()
                outcomes = [Outcome(job, None, failure) for job in jobs]
            _announce(outcomes)

    def _gather(self) -> bool:
        """Wait for work and take what is there; False when the store closes and nothing is left."""
        timeout: float | None = None
        while not self._pending and not (self._closing and self._queue.empty()):
            try:
                job = self._queue.get(timeout=timeout)
            except Empty:
                break
            if job is not None:
                self._pending.append(job)
            elif self._later:
                timeout = LATER_NS / NANOSECOND
        while not self._queue.empty():
            job = self._queue.get()
            if job is not None:
                self._pending.append(job)
        return bool(self._pending or self._later)

    def _commit(self, outcomes: list[Outcome]) -> None:
        """One transaction: run a group, write what changed. Raises lmdb.Error."""
        transaction = self._env.begin(write=True)
        self._stamp(self._clock.boot_ns())
        try:
            group = Overlay(self._read(transaction))
            self._run(group, outcomes)
            if group.changes:
                _flush(group, transaction)
                transaction.commit()
        finally:
            transaction.abort()  # does nothing after a commit
            self._stamp(0)

    def _run(self, group: Overlay, outcomes: list[Outcome]) -> None:
        deadline_ns = self._clock.boot_ns() + MAX_JOB_TIME_NS
        while self._later:
            outcomes.append(_attempt(self._later.popleft(), group))
        while self._pending and len(outcomes) < MAX_JOBS:
            outcomes.append(_attempt(self._pending.popleft(), group))
            if self._clock.boot_ns() > deadline_ns:
                break

    def _drain(self) -> list[Job]:
        jobs = [*self._later, *self._pending]
        self._later.clear()
        self._pending.clear()
        return jobs


def _attempt(job: Job, group: Overlay) -> Outcome:
    """Run a job in a layer of its own; if it raises, the group is as before."""
    if job.future is not None and job.future.cancelled():
        return Outcome(job, None, None)
    layer = Overlay(group)
    try:
        value = job.run(layer)
    except Exception as error:  # noqa: BLE001 - it belongs to the one who waits for the job
        return Outcome(job, None, error)
    group.changes.update(layer.changes)
    return Outcome(job, value, None)


def _flush(group: Overlay, transaction: lmdb.Transaction) -> None:
    for key in sorted(group.changes):
        value = group.changes[key]
        if value is None:
            transaction.delete(key)
        else:
            transaction.put(key, value)


def _failure(error: Exception, path: str) -> Exception:
    if isinstance(error, lmdb.MapFullError | lmdb.DiskError):
        return StorageFull(f"the file system of {path} is full")
    return error


def _announce(outcomes: list[Outcome]) -> None:
    """Tell each loop once about all of its jobs."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
    for outcome in outcomes:
        by_loop.setdefault(outcome.job.loop, []).append(outcome)
    for loop, settled in by_loop.items():
        with suppress(RuntimeError):  # the loop was closed: nobody waits there any more
            loop.call_soon_threadsafe(_settle, loop, settled)


def _settle(loop: asyncio.AbstractEventLoop, outcomes: list[Outcome]) -> None:
    for (_, _, future), value, error in outcomes:
        if future is None:
            if error is not None:
                loop.call_exception_handler({"message": "a later write failed", "exception": error})
        elif future.done():
            continue
        elif error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)
