"""Workers keep to a processor each where there is none to spare."""

import os

import pytest

from custody.serve import placement


@pytest.mark.parametrize(
    ("workers", "allowed", "chosen"),
    [
        (2, {0, 1}, [0, 1]),
        (2, {3, 9}, [3, 9]),
        (4, {0, 1}, [0, 1, 0, 1]),
        (3, {0, 1}, [0, 1, 0]),
        (8, set(range(8)), list(range(8))),
    ],
)
def test_each_worker_has_its_own_processor_and_none_has_two_more_than_another(
    workers: int, allowed: set[int], chosen: list[int]
) -> None:
    slots = range(len(allowed), len(allowed) + workers)
    assert [placement.processor(slot, workers, allowed) for slot in slots] == chosen


@pytest.mark.parametrize(("workers", "allowed"), [(1, {0}), (4, {5}), (1, {0, 1}), (8, range(64))])
def test_where_there_is_nothing_to_choose_or_enough_for_all_the_kernel_chooses(
    workers: int, allowed: set[int]
) -> None:
    assert placement.processor(2, workers, allowed) == placement.ANY


def test_a_processor_that_is_not_there_changes_nothing_and_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = os.sched_getaffinity(0)
    placement.keep_to(1023)
    placement.keep_to(placement.ANY)
    assert os.sched_getaffinity(0) == before
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    assert caplog.messages == ["does not keep to processor 1023: Invalid argument"]
