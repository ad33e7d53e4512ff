"""Workers keep to processors where these can have as many workers each."""

import os
import subprocess
import sys
from collections import Counter

import pytest

from custody.serve import placement

_FIRST_SLOT = 2  # before it come custodian and steward


def dealt(workers: int, allowed: set[int]) -> list[int | None]:
    """The processor of each worker."""
    slots = range(_FIRST_SLOT, _FIRST_SLOT + workers)
    return [placement.processor(slot, workers, allowed) for slot in slots]


@pytest.mark.parametrize(
    ("workers", "allowed"),
    [(2, {0, 1}), (2, {3, 9}), (4, {0, 1}), (3, {0, 2, 4}), (8, {*range(8)})],
)
def test_every_processor_has_as_many_workers(workers: int, allowed: set[int]) -> None:
    each = workers // len(allowed)
    assert Counter(dealt(workers, allowed)) == dict.fromkeys(allowed, each)


@pytest.mark.parametrize(
    ("workers", "allowed"), [(1, {0}), (4, {5}), (1, {0, 1}), (3, {0, 1}), (8, {*range(64)})]
)
def test_where_they_cannot_be_dealt_out_evenly_the_kernel_chooses(
    workers: int, allowed: set[int]
) -> None:
    assert dealt(workers, allowed) == [None] * workers


def test_a_processor_that_is_not_there_changes_nothing_and_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = os.sched_getaffinity(0), os.sched_getscheduler(0)
    placement.keep_to(1023)
    placement.keep_to(None)
    assert (os.sched_getaffinity(0), os.sched_getscheduler(0)) == before
    assert caplog.messages == ["does not keep to processor 1023: Invalid argument"]


_KEPT = """
import os, sys
from custody.serve import placement
os.sched_setscheduler(0, int(sys.argv[1]), os.sched_param(0))
first = min(os.sched_getaffinity(0))
placement.keep_to(first)
assert os.sched_getaffinity(0) == {first}
print(os.sched_getscheduler(0))
"""


@pytest.mark.parametrize(
    ("chosen", "kept"),
    [
        (os.SCHED_OTHER, os.SCHED_BATCH),
        (os.SCHED_BATCH, os.SCHED_BATCH),
        (os.SCHED_IDLE, os.SCHED_IDLE),
    ],
)
def test_a_policy_that_somebody_chose_for_the_node_stays(chosen: int, kept: int) -> None:
    if os.sched_getscheduler(0) == os.SCHED_IDLE:
        chosen, kept = os.SCHED_IDLE, os.SCHED_IDLE  # none but root leaves that one
    done = subprocess.run(  # noqa: S603 our own interpreter
        [sys.executable, "-c", _KEPT, str(chosen)],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout == f"{kept}\n"
