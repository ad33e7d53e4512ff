"""Where the processes of a real node run, and under which policy."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.harness import Server, eventually

Place = tuple[frozenset[int], int]  # processors, policy
_USUAL = os.sched_getscheduler(0)
_KEPT = os.SCHED_BATCH if _USUAL == os.SCHED_OTHER else _USUAL


@pytest.fixture
def two_processors() -> Iterator[frozenset[int]]:
    """Those that servers started meanwhile may use; one where the machine has no more."""
    before = os.sched_getaffinity(0)
    allowed = frozenset(sorted(before)[:2])
    os.sched_setaffinity(0, allowed)
    yield allowed
    os.sched_setaffinity(0, before)


def of_threads(pid: int) -> list[Place]:
    """Where each thread of a process may run, and how."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # a thread that has just ended
            thread = int(task.name)
            found.append((frozenset(os.sched_getaffinity(thread)), os.sched_getscheduler(thread)))
    return found


def of_role(server: Server, role: str) -> list[list[Place]]:
    """The places of the threads of each process of a role."""
    return [of_threads(pid) for pid in server.of_role(role)]


def apart(server: Server, allowed: frozenset[int]) -> bool:
    """Whether the two workers have one processor each, with all their threads."""
    # A process with a single thread has not come to `keep_to` yet.
    workers = [frozenset(each) for each in of_role(server, "worker") if len(each) > 1]
    policy = _KEPT if len(allowed) > 1 else _USUAL
    wanted = {frozenset({(frozenset({one}), policy)}) for one in allowed}
    return len(workers) == 2 and {*workers} == wanted


def test_each_worker_keeps_to_one_processor_also_the_one_that_takes_anothers_place(
    tmp_path: Path, two_processors: frozenset[int]
) -> None:
    with Server(tmp_path) as server:
        assert apart(server, two_processors)
        (steward,) = of_role(server, "steward")
        assert {*steward} == {(two_processors, _USUAL)}
        victim = server.of_role("worker")[0]
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: victim not in server.pids() and apart(server, two_processors))


def test_they_are_left_to_the_kernel_where_the_configuration_says_so(
    tmp_path: Path, two_processors: frozenset[int]
) -> None:
    with Server(tmp_path, settings="pin_workers = false") as server:
        for threads in of_role(server, "worker"):
            assert {*threads} == {(two_processors, _USUAL)}
