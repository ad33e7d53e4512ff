from functools import partial

import pytest
from tests.unit.core.stage import Stage

from custody.barrier.notes import Notes
from custody.barrier.transaction import BarrierTransaction
from custody.base.clock import NANOSECOND
from custody.base.codec import encode
from custody.base.errors import AuditFailed
from custody.base.store import Table
from custody.core import outbox
from custody.core.commit import Commit
from custody.core.jobs.job import POLL
from custody.core.jobs.recording import BATCH, Recording, _entry
from custody.core.outbox import RECOVER_AFTER_NS

AFTER = RECOVER_AFTER_NS / NANOSECOND


def commit_of(number: int, time_ns: int) -> Commit:
    return Commit(
        time_ns=time_ns,
        request_id=f"00000000-0000-4000-8000-{number:012d}",
        operation="update",
        path=f"secret/data/{number}",
        mount="secret/",
        kind="kv",
        accessor="an-accessor",
        display_name="someone",
        remote_address="192.0.2.1",
    )


async def left_behind(stage: Stage, count: int) -> list[Commit]:
    """Commits whose process died before their record."""
    commits = [commit_of(number, stage.clock.now_ns()) for number in range(count)]
    for commit in commits:
        await stage.barrier.write(partial(BarrierTransaction.note, note=outbox.note(commit)))
    stage.start()
    return commits


async def left_in_one_row(stage: Stage, count: int) -> list[Commit]:
    """The same, of a process whose store made one commit of all of them."""
    commits = [commit_of(number, stage.clock.now_ns()) for number in range(count)]
    notes = encode(Notes(notes=[encode(commit) for commit in commits]))
    await stage.barrier.write(lambda txn: txn.put(Table.OUTBOX, b"\0", notes))
    stage.start()
    return commits


def job_of(stage: Stage) -> Recording:
    return Recording(stage.barrier, stage.broker, stage.clock, stage.counters)


async def test_with_nothing_left_behind_it_polls_and_writes_nothing() -> None:
    async with Stage() as stage:
        await stage.note("a")
        stage.start()
        assert await job_of(stage).run() == POLL
        assert stage.recorder.lines == []


async def test_a_commit_is_left_to_its_own_process_at_first() -> None:
    async with Stage() as stage:
        await left_behind(stage, 1)
        job = job_of(stage)
        assert await job.run() == AFTER
        stage.clock.advance(AFTER - 1)
        assert await job.run() == 1
        assert stage.recorder.lines == []
        stage.clock.advance(1)
        await job.run()
        assert len(stage.recorder.lines) == 1


async def test_a_commit_recorded_meanwhile_is_not_recorded_again() -> None:
    async with Stage() as stage:
        await left_behind(stage, 1)
        job = job_of(stage)
        await job.run()
        await stage.barrier.write(lambda txn: outbox.forget_all(txn, stage.rows(Table.OUTBOX)))
        stage.clock.advance(AFTER)
        await job.run()
        assert stage.recorder.lines == []


async def test_the_record_says_who_did_what_where_and_when() -> None:
    async with Stage() as stage:
        [commit] = await left_behind(stage, 1)
        job = job_of(stage)
        await job.run()
        stage.clock.advance(AFTER)
        await job.run()
        [record] = stage.recorder.records
        assert record["custody"] == {"event_id": commit.request_id, "recovered": True}
        assert record["auth"]["display_name"] == "someone"
        asked = record["request"]
        assert (asked["id"], asked["operation"], asked["path"]) == (
            commit.request_id, "update", "secret/data/0",
        )  # fmt: skip
        assert (asked["mount_point"], asked["remote_address"]) == ("secret/", "192.0.2.1")
        assert asked["client_token_accessor"].startswith("hmac-sha256:")
        assert stage.rows(Table.OUTBOX) == []


async def test_each_of_many_commits_gets_one_record_in_bounded_batches() -> None:
    async with Stage() as stage:
        commits = await left_behind(stage, 2 * BATCH + 1)
        job = job_of(stage)
        await job.run()
        stage.clock.advance(AFTER)
        await job.run()
        assert len(stage.recorder.lines) == BATCH
        while await job.run() == 0:
            assert len(stage.recorder.lines) <= len(commits)
        told = [record["custody"]["event_id"] for record in stage.recorder.records]
        assert sorted(told) == sorted(commit.request_id for commit in commits)
        assert stage.counters.values["outbox_replayed"] == len(commits)


async def test_of_the_commits_in_a_row_those_get_a_record_that_have_none() -> None:
    async with Stage() as stage:
        first, *others = await left_in_one_row(stage, 3)
        await stage.broker.record(_entry(first, stage.clock.now_ns()))
        job = job_of(stage)
        await job.run()
        stage.clock.advance(AFTER)
        await job.run()
        told = [record["custody"]["event_id"] for record in stage.recorder.records]
        assert sorted(told) == sorted(commit.request_id for commit in (first, *others))
        assert stage.rows(Table.OUTBOX) == []


async def test_a_request_that_committed_twice_gets_one_record() -> None:
    async with Stage() as stage:
        [commit] = await left_behind(stage, 1)
        await stage.barrier.write(partial(BarrierTransaction.note, note=outbox.note(commit)))
        job = job_of(stage)
        await job.run()
        stage.clock.advance(AFTER)
        await job.run()
        assert len(stage.recorder.lines) == 1
        assert stage.rows(Table.OUTBOX) == []


async def test_a_run_takes_no_more_rows_than_it_takes_commits() -> None:
    async with Stage() as stage:
        await left_in_one_row(stage, BATCH)
        await stage.barrier.write(
            partial(BarrierTransaction.note, note=outbox.note(commit_of(BATCH, 1)))
        )
        job = job_of(stage)
        await job.run()
        stage.clock.advance(AFTER)
        assert await job.run() == 0
        assert len(stage.rows(Table.OUTBOX)) == 1
        await job.run()
        assert stage.rows(Table.OUTBOX) == []


async def test_a_row_of_a_single_commit_as_it_was_kept_before_is_still_read() -> None:
    async with Stage() as stage:
        commit = commit_of(0, stage.clock.now_ns())
        await stage.barrier.write(lambda txn: txn.put(Table.OUTBOX, b"\0", encode(commit)))
        stage.start()
        job = job_of(stage)
        await job.run()
        stage.clock.advance(AFTER)
        await job.run()
        [record] = stage.recorder.records
        assert record["custody"]["event_id"] == commit.request_id


async def test_cut_off_between_record_and_removal_it_records_nothing_twice() -> None:
    async with Stage() as stage:
        await left_behind(stage, 3)
        rows = [row for row in stage.store.dump() if row[0][0] == Table.OUTBOX]
        for _ in range(2):
            job = job_of(stage)  # the next process's
            await job.run()
            stage.clock.advance(AFTER)
            await job.run()
            assert stage.rows(Table.OUTBOX) == []
            stage.store.load([*stage.store.dump(), *rows])
        assert len(stage.recorder.lines) == 3
        assert stage.counters.values["outbox_replayed"] == 3


async def test_without_a_device_the_rows_stay_until_there_is_one() -> None:
    async with Stage() as stage:
        await left_behind(stage, 1)
        stage.recorder.broken = True
        job = job_of(stage)
        await job.run()
        stage.clock.advance(AFTER)
        with pytest.raises(AuditFailed):
            await job.run()
        assert len(stage.rows(Table.OUTBOX)) == 1
        stage.recorder.broken = False
        await job.run()
        stage.clock.advance(AFTER)
        await job.run()
        assert stage.rows(Table.OUTBOX) == []
        assert len(stage.recorder.lines) == 1


async def test_setting_the_clock_makes_it_neither_hurry_nor_forget() -> None:
    async with Stage() as stage:
        await left_behind(stage, 1)
        job = job_of(stage)
        assert await job.run() == AFTER
        later = job_of(stage)  # a fresh process waits as long, whatever the rows' age
        stage.clock.advance(3600)
        assert await later.run() == AFTER


async def test_a_damaged_row_does_not_keep_the_others_waiting() -> None:
    async with Stage() as stage:
        await left_behind(stage, 2)
        bad = bytes([Table.OUTBOX]) + stage.rows(Table.OUTBOX)[0]
        stage.store.load(
            (place, value[:-1] + b"x" if place == bad else value)
            for place, value in stage.store.dump()
        )
        job = job_of(stage)
        await job.run()
        stage.clock.advance(AFTER)
        await job.run()
        assert len(stage.recorder.lines) == 1
        assert [bad[1:]] == stage.rows(Table.OUTBOX)
        assert stage.counters.values["tampered_rows"] == 1
