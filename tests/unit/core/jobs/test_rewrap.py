"""Encrypting anew: what is old is found and replaced, in batches, and nothing is lost."""

from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from tests.unit.core.stage import Stage

from custody.barrier.aging import TABLES
from custody.base.store import MAX_BATCH_BYTES, Table, Transaction
from custody.core.jobs.job import POLL
from custody.core.jobs.rewrap import BATCH, PAUSE, Rewrap

PATH = "sys/rotate/rewrap"
MANY = 2 * BATCH + 7


def terms(stage: Stage) -> set[int]:
    """The terms under which logged rows are encrypted."""
    rows = (row for place, row in stage.store.dump() if Table(place[0]) in TABLES)
    return {int.from_bytes(row[9:13], "big") for row in rows}


async def filled(stage: Stage) -> None:
    """Rows under the first term, then a second term."""

    def write(txn: Transaction) -> None:
        for number in range(MANY):
            txn.put(Table.ENGINE, b"\xff" * 8 + number.to_bytes(4, "big"), b"%d" % number)

    await stage.barrier.write(write)
    await stage.expect(204, "POST", "sys/rotate", token=stage.root_token)


async def ask(stage: Stage, method: str = "GET") -> Any:
    """What the endpoint says."""
    return (await stage.expect(200, method, PATH, token=stage.root_token)).data


async def test_everything_is_encrypted_anew_and_reads_as_before() -> None:
    async with Stage() as stage:
        await filled(stage)
        assert await ask(stage) == {"state": "none"}
        assert terms(stage) == {1}
        begun = await ask(stage, "POST")
        assert (begun["state"], begun["term"], begun["rows"]) == ("running", 2, 0)
        assert begun["total"] > MANY
        job = Rewrap(stage.barrier, stage.clock)
        while await job.run() == PAUSE:
            pass
        assert terms(stage) == {2}
        done = await ask(stage)
        assert (done["state"], done["rows"]) == ("finished", done["total"])
        assert MANY < done["rewritten"] <= done["rows"]
        with stage.barrier.snapshot() as view:
            found = view.scan(Table.ENGINE, b"\xff" * 8, limit=MANY + 1)
            assert [value for _, value in found] == [b"%d" % n for n in range(MANY)]
            assert [batch for batch in stage.barrier.scrub(view) if batch.findings] == []


async def test_large_rows_are_encrypted_anew_in_batches_that_fit_a_transaction() -> None:
    async with Stage() as stage:

        def keep(txn: Transaction, place: bytes) -> None:
            txn.put(Table.ENGINE, place, large)

        large = bytes(MAX_BATCH_BYTES // 2 - 100)
        places = [bytes([255] * 8 + [n]) for n in range(12)]
        for place in places:
            await stage.barrier.write(partial(keep, place=place))
        await stage.expect(204, "POST", "sys/rotate", token=stage.root_token)
        await ask(stage, "POST")
        job = Rewrap(stage.barrier, stage.clock)
        while await job.run() == PAUSE:
            pass
        assert terms(stage) == {2}
        with stage.barrier.snapshot() as view:
            assert all(view.get(Table.ENGINE, place) == large for place in places)


async def test_it_goes_on_where_another_process_was_cut_off() -> None:
    async with Stage() as stage:
        await filled(stage)
        await ask(stage, "POST")
        rewritten = []
        for _ in range(200):
            await Rewrap(stage.barrier, stage.clock).run()  # a new process each time
            rewritten.append((await ask(stage))["rewritten"])
            if (await ask(stage))["state"] == "finished":
                break
        assert terms(stage) == {2}
        assert rewritten == sorted(rewritten)
        assert max(b - a for a, b in pairwise(rewritten)) <= BATCH


async def test_a_second_start_does_not_begin_anew_and_a_newer_term_does() -> None:
    async with Stage() as stage:
        await filled(stage)
        job = Rewrap(stage.barrier, stage.clock)
        assert await job.run() == POLL
        await ask(stage, "POST")
        await job.run()
        before = await ask(stage)
        assert before["rows"] > 0
        assert await ask(stage, "POST") == before
        await stage.expect(204, "POST", "sys/rotate", token=stage.root_token)
        assert (await ask(stage, "POST"))["rows"] == 0


async def test_a_cancelled_one_goes_no_further() -> None:
    async with Stage() as stage:
        await filled(stage)
        await ask(stage, "POST")
        await stage.expect(204, "DELETE", PATH, token=stage.root_token)
        assert await Rewrap(stage.barrier, stage.clock).run() == POLL
        assert await ask(stage) == {"state": "none"}
        assert 1 in terms(stage)


async def test_what_was_changed_or_deleted_meanwhile_is_not_brought_back() -> None:
    async with Stage() as stage:
        await filled(stage)
        await ask(stage, "POST")
        job = Rewrap(stage.barrier, stage.clock)
        first, second = b"\xff" * 8 + bytes(4), b"\xff" * 8 + (1).to_bytes(4, "big")

        def change(txn: Transaction) -> None:
            txn.put(Table.ENGINE, first, b"changed")
            txn.delete(Table.ENGINE, second)

        await stage.barrier.write(change)
        while await job.run() == PAUSE:
            pass
        with stage.barrier.snapshot() as view:
            assert view.get(Table.ENGINE, first) == b"changed"
            assert view.get(Table.ENGINE, second) is None


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_it_wants_sudo(method: str) -> None:
    async with Stage() as stage:
        token = await stage.token(
            f'path "{PATH}" {{ capabilities = ["read", "update", "delete"] }}'
        )
        await stage.expect(403, method, PATH, token=token)
