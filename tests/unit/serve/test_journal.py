"""The rings of lines, and who watches them."""

import asyncio
import json
import logging
import mmap
import os
import runpy
import threading
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from custody.base.errors import TooManyRequests
from custody.base.log import Line
from custody.serve import journal, page
from custody.serve.journal import MAX_TEXT, RING, Journal, Reader, Ring, Witness
from custody.serve.watching import MOST, Watchers


@pytest.fixture
def fd() -> Iterator[int]:
    """A memory file with a page and a journal."""
    made = page.create()
    journal.lay_out(made)
    yield made
    os.close(made)


def line(text: str, time_ns: int = 0, level: int = logging.INFO) -> Line:
    return Line(time_ns, level, "worker", 1, text)


def always() -> bool:
    return True


def texts(reader: Reader) -> list[str]:
    """What it takes; how many are lost stands where they are."""
    taken: list[str] = []
    for lost, one in reader.take():
        taken += [f"-{lost}"] if lost else []
        taken.append(one.text)
    return taken


def log_record(text: str, level: int = logging.INFO, *args: object) -> logging.LogRecord:
    return logging.LogRecord("custody.core.x", level, "", 0, text, args, None)


async def next_of(lines: AsyncGenerator[bytes, None]) -> str:
    return (await asyncio.wait_for(anext(lines), 10)).decode()


def test_the_rings_lie_behind_the_page_and_in_their_place(fd: int) -> None:
    assert page.SIZE <= mmap.ALLOCATIONGRANULARITY * (page.SIZE // mmap.ALLOCATIONGRANULARITY + 1)
    shared = page.Page(fd)
    for number in range(page.SLOTS):
        shared.slot(number).claim(number + 1)
    for ring in Journal(fd).rings():
        for _ in range(100):
            ring.append(line("x" * 900))
    assert [shared.pid(number) for number in range(page.SLOTS)] == list(range(1, page.SLOTS + 1))


def test_a_reader_takes_each_line_once_and_none_from_before(fd: int) -> None:
    ring = Journal(fd).ring(3)
    ring.append(line("before"))
    reader, other = Reader(Journal(fd).ring(3)), Reader(Journal(fd).ring(4))
    for number in range(5):
        ring.append(line(str(number)))
    assert texts(reader) == ["0", "1", "2", "3", "4"]
    assert texts(reader) == []
    assert texts(other) == []


def test_a_reader_that_was_too_slow_is_told_how_many_it_missed(fd: int) -> None:
    ring = Journal(fd).ring(0)
    reader = Reader(ring)
    for number in range(1000):
        ring.append(line(f"{number:0500}"))
    first, *rest = texts(reader)
    missed = int(first.removeprefix("-"))
    assert missed + len(rest) == 1000
    assert [int(one) for one in rest] == list(range(missed, 1000))
    assert RING // 2 < sum(map(len, rest)) < RING
    ring.append(line("next"))
    assert texts(reader) == ["next"]


def test_lines_of_any_length_come_round_whole(fd: int) -> None:
    ring = Journal(fd).ring(0)
    reader = Reader(ring)
    for number in range(3000):
        text = "ö" * (number % 1999)
        ring.append(line(text))
        assert texts(reader) == [text]


def test_a_new_process_goes_on_where_the_last_one_was_killed(fd: int) -> None:
    first = Journal(fd).ring(0)
    reader = Reader(Journal(fd).ring(0))
    first.append(line("last words"))
    Journal(fd).ring(0).append(line("first words"))
    assert texts(reader) == ["last words", "first words"]


def test_what_is_read_while_it_is_overwritten_is_never_half_a_line(fd: int) -> None:
    ring, seen = Journal(fd).ring(0), 0
    reader = Reader(Journal(fd).ring(0))
    ended = threading.Event()

    def write() -> None:
        for number in range(30_000):
            ring.append(line(str(number % 10) * (100 + number % 700)))
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    while True:
        last = ended.is_set()
        for lost, one in reader.take():
            assert len(set(one.text)) == 1
            seen += lost + 1
        if last:
            break
    writer.join()
    assert seen == 30_000


def test_only_what_somebody_wants_is_written(fd: int) -> None:
    shared = Journal(fd)
    reader = Reader(shared.ring(0))
    witness = Witness(Journal(fd), 0, "steward")
    witness.handle(log_record("nobody listens"))
    shared.want(2, logging.WARNING)
    shared.want(3, logging.INFO)
    witness.handle(log_record("all of it", logging.DEBUG))
    witness.handle(log_record("enough"))
    witness.handle(log_record("x" * 100_000, logging.ERROR))
    taken = texts(reader)
    assert (taken[0], len(taken[1])) == ("enough", MAX_TEXT)
    shared.want(3, 0)
    witness.handle(log_record("too low by now"))
    assert texts(reader) == []


def test_what_cannot_be_kept_does_not_disturb_who_logs_it(fd: int) -> None:
    shared = Journal(fd)
    reader = Reader(shared.ring(0))
    witness = Witness(Journal(fd), 0, "worker")
    shared.want(2, logging.INFO)
    witness.handle(log_record("cannot open %s", logging.ERROR, os.fsdecode(b"/srv/\xff")))
    witness.handle(log_record("cannot say %d", logging.ERROR, "x"))
    witness.handle(log_record("\udcff" * 100_000, logging.ERROR))
    witness.handle(log_record("next"))
    strange, long, last = texts(reader)
    assert strange == r"cannot open /srv/\udcff"
    assert len(long) == MAX_TEXT
    assert last == "next"


def test_what_libraries_log_is_not_shown(fd: int) -> None:
    shared = Journal(fd)
    reader = Reader(shared.ring(0))
    shared.want(2, logging.DEBUG)
    before = {name: list(logging.getLogger(name).handlers) for name in (None, "custody")}
    try:
        journal.write(fd, 0, "worker")
        logging.getLogger("library.wire").error("sent: GET /v1/secret/data/a")
        logging.getLogger("custody.core.x").error("ours")
    finally:
        for name, handlers in before.items():
            logging.getLogger(name).handlers[:] = handlers
    assert texts(reader) == ["ours"]


@pytest.mark.parametrize("role", ["custodian", "steward"])
def test_what_a_process_logs_is_its_own_also_in_its_main_module(role: str) -> None:
    path = Path(journal.__file__).with_name(f"{role}.py")
    found = runpy.run_path(str(path), run_name="main")
    assert found["_log"].name == f"custody.serve.{role}"


def test_a_watcher_sees_every_process_in_order_of_time(fd: int) -> None:
    async def scene() -> None:
        watchers = Watchers(Journal(fd), 2)
        lines = watchers.follow("info", "standard", always)
        waiting = asyncio.create_task(next_of(lines))
        await asyncio.sleep(0.05)
        assert Journal(fd).wanted == logging.INFO
        Journal(fd).ring(1).append(line("second", 2_000_000))
        Journal(fd).ring(0).append(line("first", 1_000_000))
        Journal(fd).ring(0).append(line("quiet", 1_500_000, logging.DEBUG))
        Journal(fd).ring(journal.SUPERVISOR).append(line("third", 3_000_000))
        assert [one.rpartition(": ")[2] for one in (await waiting).splitlines()] == [
            "first",
            "second",
            "third",
        ]
        await lines.aclose()
        assert Journal(fd).wanted == 0

    asyncio.run(scene())


def test_a_gap_is_a_line_of_its_own_and_json_stays_json(fd: int) -> None:
    async def scene() -> None:
        lines = Watchers(Journal(fd), 2).follow("debug", "json", always)
        waiting = asyncio.create_task(next_of(lines))
        await asyncio.sleep(0.05)
        for number in range(500):
            Journal(fd).ring(0).append(line(f"{number:0500}"))
        read = [json.loads(one) for one in (await waiting).splitlines()]
        assert read[0]["@level"] == "warning"
        assert read[0]["@message"].endswith("lines were dropped here: they came faster than they"
                                            " were read")  # fmt: skip
        assert int(read[0]["@message"].split()[0]) + len(read) - 1 == 500
        await lines.aclose()

    asyncio.run(scene())


def test_the_lowest_level_of_all_watchers_counts_and_each_sees_its_own(fd: int) -> None:
    async def scene() -> None:
        watchers = Watchers(Journal(fd), 2)
        high, low = (
            watchers.follow("error", "standard", always),
            watchers.follow("debug", "standard", always),
        )
        waiting = [asyncio.create_task(next_of(one)) for one in (high, low)]
        await asyncio.sleep(0.05)
        assert Journal(fd).wanted == logging.DEBUG
        for level in (logging.DEBUG, logging.ERROR):
            Journal(fd).ring(0).append(line(f"at {level}", level, level))
        shown = [await one for one in waiting]
        assert ["at 10" in one for one in shown] == [False, True]
        assert all("at 40" in one for one in shown)
        await low.aclose()
        assert Journal(fd).wanted == logging.ERROR
        await high.aclose()

    asyncio.run(scene())


def test_at_the_end_the_last_lines_are_shown(fd: int) -> None:
    async def scene() -> None:
        watchers = Watchers(Journal(fd), 2)
        lines = watchers.follow("info", "standard", always)
        waiting = asyncio.create_task(next_of(lines))
        await asyncio.sleep(0.05)
        Journal(fd).ring(0).append(line("sealed"))
        watchers.end()
        assert "sealed" in await waiting
        with pytest.raises(StopAsyncIteration):
            await next_of(lines)
        assert Journal(fd).wanted == 0

    asyncio.run(scene())


def test_who_may_no_longer_is_let_go(fd: int) -> None:
    async def scene() -> None:
        good = [True]
        lines = Watchers(Journal(fd), 2).follow("info", "standard", lambda: good[0])
        waiting = asyncio.create_task(next_of(lines))
        await asyncio.sleep(0.05)
        good[0] = False
        with pytest.raises(StopAsyncIteration):
            await waiting
        assert Journal(fd).wanted == 0

    asyncio.run(scene())


def test_so_many_watch_and_no_more(fd: int) -> None:
    async def scene() -> None:
        watchers = Watchers(Journal(fd), 2)
        followed = [watchers.follow("info", "standard", always) for _ in range(MOST)]
        waiting = [asyncio.create_task(next_of(one)) for one in followed]
        await asyncio.sleep(0.05)
        with pytest.raises(TooManyRequests):
            watchers.follow("info", "standard", always)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await watchers.follow("info", "standard", always).aclose()

    asyncio.run(scene())


def test_of_those_who_ask_at_once_no_more_watch_either(fd: int) -> None:
    async def scene() -> None:
        watchers = Watchers(Journal(fd), 2)
        followed = [watchers.follow("info", "standard", always) for _ in range(MOST + 1)]
        waiting = [asyncio.create_task(next_of(one)) for one in followed]
        await asyncio.sleep(0.05)
        with pytest.raises(TooManyRequests):
            await waiting.pop()
        Journal(fd).ring(0).append(line("seen"))
        assert all("seen" in text for text in await asyncio.gather(*waiting))
        for one in followed:
            await one.aclose()
        assert Journal(fd).wanted == 0

    asyncio.run(scene())


def test_a_ring_says_nothing_of_a_record_that_is_not_there(fd: int) -> None:
    ring: Ring = Journal(fd).ring(0)
    assert ring.record(0) is None
