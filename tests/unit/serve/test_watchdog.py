"""The watchdog over a page of a test's own, and a clock that it sets."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from custody.base.clock import NANOSECOND
from custody.serve.page import Page, create
from custody.serve.watchdog import Patience, Watchdog, places
from custody.testing.server import HandClock

PATIENCE = Patience(
    write=15 * NANOSECOND, sync=300 * NANOSECOND, beat=30 * NANOSECOND, start=300 * NANOSECOND
)
TICK = 0.5  # seconds
WORKER = 2


class Watched:
    """A watchdog that looks twice a second at one process."""

    def __init__(self, page: Page) -> None:
        self.slot = page.slot(WORKER)
        self.clock = HandClock()
        self.dog = Watchdog(page, self.clock, PATIENCE)
        self.dog.look([WORKER])

    def passes(self, seconds: float) -> None:
        """So much time, in which the watchdog looks."""
        for _ in range(int(seconds / TICK)):
            self.clock.advance(TICK)
            self.dog.look([WORKER])

    def hangs(self) -> bool:
        """Whether the process hangs."""
        return self.dog.hangs(WORKER)


@pytest.fixture
def page() -> Iterator[Page]:
    """A new page."""
    fd = create()
    yield Page(fd)
    os.close(fd)


@pytest.fixture
def watched(page: Page) -> Watched:
    """A process that has made a beat."""
    found = Watched(page)
    found.slot.beat()
    found.passes(0.5)
    return found


def test_a_process_hangs_once_it_makes_no_beat_for_longer_than_the_patience(
    watched: Watched,
) -> None:
    watched.passes(30)
    assert not watched.hangs()
    watched.passes(0.5)
    assert watched.hangs()


def test_a_beat_begins_the_patience_anew(watched: Watched) -> None:
    for _ in range(3):
        watched.passes(29)
        watched.slot.beat()
        watched.passes(0.5)
        assert not watched.hangs()


def test_a_process_that_has_yet_to_start_gets_longer(page: Page) -> None:
    starting = Watched(page)
    starting.passes(300)
    assert not starting.hangs()
    starting.passes(0.5)
    assert starting.hangs()


def test_time_in_which_the_supervisor_did_not_look_is_not_held_against_anyone(
    watched: Watched,
) -> None:
    watched.passes(10)
    watched.clock.advance(3600)  # all were stopped, or the machine slept
    watched.dog.look([WORKER])
    watched.passes(18)
    assert not watched.hangs()
    watched.passes(2)
    assert watched.hangs()


def test_what_was_counted_for_a_process_is_not_held_against_its_successor(
    watched: Watched,
) -> None:
    watched.passes(30.5)
    assert watched.hangs()
    watched.dog.look([])
    assert not watched.hangs()
    watched.passes(29)
    assert not watched.hangs()


def test_who_is_not_known_does_not_hang(watched: Watched) -> None:
    assert not watched.dog.hangs(WORKER + 1)


def test_a_writer_is_stuck_once_one_write_runs_for_longer_than_the_patience(
    watched: Watched,
) -> None:
    assert not watched.dog.writes_too_long(WORKER)
    watched.slot.stamp(7)
    watched.passes(15.5)
    assert not watched.dog.writes_too_long(WORKER)
    watched.passes(0.5)
    assert watched.dog.writes_too_long(WORKER)
    watched.slot.stamp(0)
    watched.passes(20)
    assert not watched.dog.writes_too_long(WORKER)


def test_a_writer_that_begins_one_write_after_another_is_not_stuck(watched: Watched) -> None:
    for began in range(1, 80):
        watched.slot.stamp(began)
        watched.passes(0.5)
        assert not watched.dog.writes_too_long(WORKER)


def test_a_writer_that_waits_for_its_disk_gets_longer(watched: Watched) -> None:
    watched.slot.stamp(7)
    watched.passes(14)
    watched.slot.stamp(-7)
    watched.passes(300.5)
    assert not watched.dog.writes_too_long(WORKER)
    watched.passes(0.5)
    assert watched.dog.writes_too_long(WORKER)
    watched.slot.stamp(0)
    watched.passes(0.5)
    assert not watched.dog.writes_too_long(WORKER)


def test_a_write_that_was_stopped_with_all_the_node_is_not_stuck(watched: Watched) -> None:
    watched.slot.stamp(7)
    watched.passes(1)
    watched.clock.advance(3600)
    watched.passes(1)
    assert not watched.dog.writes_too_long(WORKER)


def test_places_are_those_of_every_thread_innermost_first_and_no_values(tmp_path: Path) -> None:
    script = tmp_path / "hang.py"
    script.write_text(
        """\
import faulthandler, os, signal, threading, time
faulthandler.enable()

def waits_for(password):
    threading.Event().wait(60)

def aborts(password):
    os.kill(os.getpid(), signal.SIGABRT)
    time.sleep(60)

threading.Thread(target=waits_for, args=["s3cret"], daemon=True).start()
time.sleep(0.1)
aborts("s3cret")
"""
    )
    done = subprocess.run(  # noqa: S603 our own interpreter
        [sys.executable, script], capture_output=True, text=True, timeout=30, check=False
    )
    told = places(done.stderr)
    main, waiting = told.split("; ")
    assert main == f"{script}:8 aborts < {script}:13 <module>"
    assert f"{script}:5 waits_for" in waiting
    assert "s3cret" not in told


@pytest.mark.parametrize("told", ["", "r", "Aborted\n", '  File "a", line 1 in f\n'])
def test_what_is_no_crash_has_no_places(told: str) -> None:
    assert places(told) == ""
