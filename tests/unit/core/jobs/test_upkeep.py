"""Unmount, rotate, trim and scrub: bounded, resumable, and out of everybody's way."""

import asyncio
import logging
from functools import partial

import pytest
from tests.unit.core.stage import Stage

from custody.barrier.log import read_entries
from custody.base.clock import NANOSECOND
from custody.base.codec import encode
from custody.base.store import MAX_BATCH_BYTES, Table, Transaction
from custody.core import mounts, verification
from custody.core.jobs.job import LONGEST, MAX_KEYS, POLL
from custody.core.jobs.rotate import INTERVAL, Rotate
from custody.core.jobs.scrub import DELAY_NS, INTERVAL_NS, Scrub
from custody.core.jobs.trim import KEPT_NS, Trim
from custody.core.jobs.trim import PAUSE as TRIM_PAUSE
from custody.core.jobs.unmount import PAUSE, Unmount
from custody.core.rotation import ROTATION, RotationConfig
from custody.core.verification import MAX_KEPT, PARTS, Pace, Result

DAY = 24 * 3600


async def fill(stage: Stage, count: int, value: bytes = b"value") -> None:
    """Put `count` rows into the probe's mount."""
    with stage.barrier.snapshot() as rows:
        entry = mounts.read(rows, "probe/")
    assert entry is not None
    mount_id = entry.id

    def write(txn: Transaction) -> None:
        for number in range(count):
            txn.put(Table.ENGINE, mount_id + number.to_bytes(4, "big"), value)

    await stage.barrier.write(write)


async def disable(stage: Stage) -> None:
    await stage.expect(204, "DELETE", "sys/mounts/probe", token=stage.root_token)


async def test_a_disabled_mounts_rows_go_in_bounded_batches_and_no_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Stage() as stage:
        root = stage.root_token
        await stage.expect(200, "POST", "secret/data/a", token=root, body={"data": {"a": 1}})
        others = len(stage.rows(Table.ENGINE))
        await fill(stage, 1200)
        job = Unmount(stage.barrier, stage.clock)
        assert await job.run() == POLL
        await disable(stage)
        with caplog.at_level(logging.INFO):
            assert await job.run() == PAUSE
            assert len(stage.rows(Table.ENGINE)) == others + 1200 - MAX_KEYS + 2
            while await job.run() < POLL:
                pass
        assert len(stage.rows(Table.ENGINE)) == others
        assert "disabled mount probe/: all 1200 rows deleted" in caplog.text
        await stage.expect(200, "GET", "secret/data/a", token=root)


async def test_a_batch_of_large_rows_holds_no_more_than_it_may() -> None:
    async with Stage() as stage:
        others = len(stage.rows(Table.ENGINE))
        row = bytes(MAX_BATCH_BYTES // 4)
        await fill(stage, 10, row)
        await disable(stage)
        job = Unmount(stage.barrier, stage.clock)
        left = []
        while await job.run() == PAUSE:
            left.append(len(stage.rows(Table.ENGINE)) - others)
        assert left == [6, 2, 0]


async def test_clearing_goes_on_in_the_next_process() -> None:
    async with Stage() as stage:
        others = stage.rows(Table.ENGINE)
        await fill(stage, 700)
        await disable(stage)
        await Unmount(stage.barrier, stage.clock).run()
        job = Unmount(stage.barrier, stage.clock)
        await job.run()
        assert stage.rows(Table.ENGINE) == others
        assert await job.run() == POLL


async def test_a_mount_enabled_again_at_the_path_keeps_its_rows() -> None:
    async with Stage() as stage:
        await stage.note("a")
        await disable(stage)
        await stage.mount("probe", "probe")
        await stage.note("b", "new")
        job = Unmount(stage.barrier, stage.clock)
        while await job.run() < POLL:
            pass
        assert await stage.noted("b") == "new"
        assert await stage.noted("a") == ""


async def test_the_keyring_rotates_by_age() -> None:
    async with Stage() as stage:
        body = {"interval": "24h"}
        await stage.expect(204, "POST", "sys/rotate/config", token=stage.root_token, body=body)
        job = Rotate(stage.node.parts)
        assert await job.run() == INTERVAL
        assert stage.barrier.keyring.term == 1
        stage.clock.advance(DAY)
        await job.run()
        assert stage.barrier.keyring.term == 2
        await job.run()
        assert stage.barrier.keyring.term == 2
        assert stage.counters.values["keyring_rotations"] == 1


@pytest.mark.parametrize("enabled", [True, False])
async def test_the_keyring_rotates_by_encryptions_unless_switched_off(*, enabled: bool) -> None:
    async with Stage() as stage:
        config = encode(RotationConfig(enabled=enabled, max_operations=1))
        await stage.barrier.write(lambda txn: txn.put(Table.SETTING, ROTATION, config))
        await Rotate(stage.node.parts).run()
        assert stage.barrier.keyring.term == (2 if enabled else 1)


def positions(stage: Stage) -> list[int]:
    with stage.store.snapshot() as raw:
        return [entry.position for entry in read_entries(raw, 0, 10_000)]


async def test_the_log_is_trimmed_by_age_a_batch_at_a_time() -> None:
    async with Stage() as stage:
        for number in range(MAX_KEYS + 20):
            await stage.barrier.write(partial(fill_one, number))
        before = positions(stage)
        job = Trim(stage.barrier, stage.clock, lambda: 0, entries=10)
        await job.run()
        assert positions(stage) == before  # nothing is old yet
        stage.clock.advance(KEPT_NS / NANOSECOND + 1)
        assert await job.run() == TRIM_PAUSE
        assert positions(stage) == before[MAX_KEYS:]
        assert await job.run() > TRIM_PAUSE
        assert positions(stage) == before[-10:]
        assert await verified(stage) == 0


async def test_the_newest_entries_stay_whatever_their_age() -> None:
    async with Stage() as stage:
        before = positions(stage)
        stage.clock.advance(10 * KEPT_NS / NANOSECOND)
        await Trim(stage.barrier, stage.clock, lambda: 0).run()
        assert positions(stage) == before


def fill_one(number: int, txn: Transaction) -> None:
    txn.put(Table.SETTING, b"number", number.to_bytes(4, "big"))


async def verified(stage: Stage) -> int:
    """How many findings a whole check has."""
    result = Result()
    for part in PARTS:
        await verification.check(stage.node.parts, part, verification.OPERATOR, result)
    assert result.unfinished == []
    return result.found


async def scrub_once(job: Scrub) -> None:
    for _ in PARTS:
        assert await job.run() == 0


async def test_the_scrub_waits_after_the_start_and_then_comes_daily() -> None:
    async with Stage() as stage:
        job = Scrub(stage.node.parts)
        assert await job.run() == min(LONGEST, DELAY_NS / NANOSECOND)
        stage.clock.advance(DELAY_NS / NANOSECOND)
        await scrub_once(job)
        assert await job.run() == LONGEST
        stage.clock.advance(INTERVAL_NS / NANOSECOND)
        await scrub_once(job)
        assert stage.counters.values["tampered_rows"] == 0
        assert stage.counters.values["scrub_rows"] > 0
        answer = await stage.expect(200, "GET", "sys/verify", token=stage.root_token)
        assert (answer.data["state"], answer.data["found"]) == ("finished", 0)


async def test_the_scrub_finds_what_was_changed_and_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Stage() as stage:
        await stage.note("a")
        count = len(stage.rows(Table.ENGINE))
        place = next(p for p, _ in stage.store.dump() if p[0] == Table.ENGINE)
        stage.store.load(row for row in stage.store.dump() if row[0] != place)
        job = Scrub(stage.node.parts)
        stage.clock.advance(DELAY_NS / NANOSECOND)
        with caplog.at_level(logging.ERROR):
            await scrub_once(job)
        assert stage.counters.values["tampered_rows"] == 1
        reason = f"has {count - 1} rows where {count} were counted"
        assert f"table ENGINE, key : {reason}" in caplog.text
        answer = await stage.expect(200, "GET", "sys/verify", token=stage.root_token)
        assert answer.data["findings"] == [{"table": "ENGINE", "key": "", "reason": reason}]
        assert answer.data["state"] == "finished"


async def test_the_scrub_says_how_far_it_is() -> None:
    async with Stage() as stage:
        job = Scrub(stage.node.parts)
        stage.clock.advance(DELAY_NS / NANOSECOND)
        for _ in range(3):
            await job.run()
        answer = await stage.expect(200, "GET", "sys/verify", token=stage.root_token)
        assert (answer.data["state"], answer.data["part"]) == ("running", PARTS[2])
        assert answer.data["finished_time"] == ""


async def test_a_scrub_whose_result_cannot_be_kept_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Stage() as stage:
        head = b"\x00log/head"
        stage.store.load(
            (place, value[:-1] + bytes([value[-1] ^ 1]) if place == head else value)
            for place, value in stage.store.dump()
        )
        job = Scrub(stage.node.parts)
        stage.clock.advance(DELAY_NS / NANOSECOND)
        with caplog.at_level(logging.ERROR):
            await scrub_once(job)
        assert "its result cannot be kept" in caplog.text
        assert stage.counters.values["tampered_rows"] >= 1


async def test_writes_go_on_while_a_check_is_under_way_and_it_finds_nothing() -> None:
    async with Stage() as stage:
        await fill(stage, 200)
        count = len(stage.rows(Table.ENGINE))
        at_once = Pace(slice_ns=0, pauses=((NANOSECOND, 0.0),))
        result = Result()
        check = verification.check(stage.node.parts, "ENGINE", at_once, result)
        writes = (stage.note(f"new-{number}") for number in range(30))
        await asyncio.gather(check, *writes)
        assert (result.found, result.rows) == (0, count)
        assert len(stage.rows(Table.ENGINE)) == count + 30


async def test_a_table_too_large_for_its_time_is_reported_as_unfinished() -> None:
    async with Stage() as stage:
        await fill(stage, 100)
        result = Result()
        await verification.check(
            stage.node.parts, "ENGINE", Pace(slice_ns=0, pauses=((0, 0.0),)), result
        )
        assert result.unfinished == ["ENGINE"]
        assert result.rows < 100


async def test_findings_are_counted_beyond_those_that_are_listed() -> None:
    async with Stage() as stage:
        await fill(stage, MAX_KEPT + 50)
        count = len(stage.rows(Table.ENGINE))
        stage.store.load(
            (place, value[:-1] + bytes([value[-1] ^ 1]) if place[0] == Table.ENGINE else value)
            for place, value in stage.store.dump()
        )
        result = Result()
        await verification.check(stage.node.parts, "ENGINE", verification.OPERATOR, result)
        assert len(result.findings) == MAX_KEPT
        assert result.found == count + 1
        assert stage.counters.values["tampered_rows"] == result.found


def test_a_pace_slows_down_at_first_and_ends() -> None:
    pauses = [verification.BACKGROUND.pause(second * NANOSECOND) for second in (0, 200, 500, 700)]
    assert pauses == [0.02, 0.005, 0.0, None]
