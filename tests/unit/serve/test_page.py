"""The shared page: one writer per slot, sums that never go down."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import custody
from custody.core.metrics import COUNTERS
from custody.serve.page import NAMES, SLOTS, Page, create

_SOURCE = Path(custody.__file__).parent


@pytest.fixture
def fd() -> Iterator[int]:
    """A page's descriptor."""
    number = create()
    yield number
    os.close(number)


def test_what_one_mapping_counts_another_reads(fd: int) -> None:
    Page(fd).slot(3).add("unseals", 2)
    Page(fd).slot(4).add("unseals")
    assert Page(fd).totals()["unseals"] == 3


def test_a_name_that_is_not_in_the_table_is_a_defect(fd: int) -> None:
    with pytest.raises(KeyError):
        Page(fd).slot(0).add("no_such_counter")


def test_no_counter_is_shown_that_nobody_counts() -> None:
    text = "".join(path.read_text() for path in _SOURCE.rglob("*.py") if path.name != "metrics.py")
    named = [name for name in COUNTERS if not name.startswith("requests_")]  # those by number
    assert [name for name in named if f'"{name}"' not in text] == []


def test_a_slot_that_does_not_exist_is_refused(fd: int) -> None:
    for number in (-1, SLOTS):
        with pytest.raises(ValueError, match="a slot is 0 to 63"):
            Page(fd).slot(number)


def test_folding_keeps_counters_and_forgets_gauges_stamp_beats_and_process(fd: int) -> None:
    page = Page(fd)
    slot = page.slot(5)
    slot.claim(77)
    slot.stamp(1)
    slot.beat()
    slot.add("scrub_rows", 9)
    slot.add("up", 4)
    page.fold(5)
    totals = page.totals()
    assert totals["scrub_rows"] == 9
    assert totals["up"] == 0
    assert page.pid(5) == 0
    assert page.write_stamp(5) == 0
    assert page.beats(5) == 0


_additions = st.tuples(
    st.integers(0, SLOTS - 1), st.sampled_from(sorted(COUNTERS)), st.integers(0, 1 << 40)
)


@given(st.lists(st.one_of(_additions, st.integers(0, SLOTS - 1)), max_size=40))
def test_sums_are_those_of_all_additions_whoever_died_meanwhile(
    steps: list[tuple[int, str, int] | int],
) -> None:
    number = create()
    page = Page(number)
    expected = dict.fromkeys(NAMES, 0)
    for step in steps:
        if isinstance(step, int):
            page.fold(step)
        else:
            slot, name, amount = step
            page.slot(slot).add(name, amount)
            expected[name] += amount
        assert page.totals() == expected
    os.close(number)


_MISWRITES = """
import logging, sys
from custody.base import log
from custody.serve.page import Page
log.configure("worker")
Page(int(sys.argv[1])).slot(3).count_lost_lines()
logging.warning("%d", "no number")
"""


def test_lines_that_a_process_cannot_write_are_in_its_slot(fd: int) -> None:
    subprocess.run(  # noqa: S603 our own interpreter
        [sys.executable, "-c", _MISWRITES, str(fd)], pass_fds=[fd], check=True, timeout=30
    )
    assert Page(fd).totals()["log_lines_lost"] == 1
