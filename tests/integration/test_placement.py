"""Where the processes of a real node run."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.harness import Server, eventually

Processors = frozenset[int]


@pytest.fixture
def two_processors() -> Iterator[Processors]:
    """Those that servers started meanwhile may use; one where the machine has no more."""
    before = os.sched_getaffinity(0)
    allowed = frozenset(sorted(before)[:2])
    os.sched_setaffinity(0, allowed)
    yield allowed
    os.sched_setaffinity(0, before)


def of_threads(pid: int) -> list[Processors]:
    """Where each thread of a process may run."""
    task = Path(f"/proc/{pid}/task")
    return [frozenset(os.sched_getaffinity(int(each.name))) for each in task.iterdir()]


def policies(server: Server, role: str) -> set[int]:
    """How the kernel schedules the threads of a role."""
    pids = [pid for pid, each in server.pids().items() if each == role]
    threads = [each for pid in pids for each in Path(f"/proc/{pid}/task").iterdir()]
    return {os.sched_getscheduler(int(each.name)) for each in threads}


def of_role(server: Server, role: str) -> list[list[Processors]]:
    """Where those of each process of a role may."""
    return [of_threads(pid) for pid, each in server.pids().items() if each == role]


def apart(server: Server, allowed: Processors) -> bool:
    """Whether the two workers have one processor each, all their threads."""
    workers = [each for each in of_role(server, "worker") if len(each) > 1]
    one_each = {frozenset({frozenset({one})}) for one in allowed}
    return len(workers) == 2 and {frozenset(each) for each in workers} == one_each


def test_each_worker_keeps_to_one_processor_in_long_turns_also_the_one_that_replaces_it(
    tmp_path: Path, two_processors: Processors
) -> None:
    with Server(tmp_path) as server:
        assert apart(server, two_processors)
        (steward,) = of_role(server, "steward")
        assert {*steward} == {two_processors}
        assert policies(server, "steward") == {os.SCHED_OTHER}
        if len(two_processors) > 1:
            assert policies(server, "worker") == {os.SCHED_BATCH}
        victim = next(pid for pid, role in server.pids().items() if role == "worker")
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: victim not in server.pids() and apart(server, two_processors))


def test_they_are_left_to_the_kernel_where_the_configuration_says_so(
    tmp_path: Path, two_processors: Processors
) -> None:
    with Server(tmp_path, settings="pin_workers = false") as server:
        workers = of_role(server, "worker")
        assert [{*threads} for threads in workers] == [{two_processors}] * 2
        assert policies(server, "worker") == {os.SCHED_OTHER}
