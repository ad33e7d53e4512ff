"""The job that takes recalled tokens away."""

import asyncio
import logging

import pytest
from tests.unit.core.jobs.test_revocation import StandingClock

from custody.base.store import Table
from custody.core.jobs import recall as jobs
from custody.core.jobs.job import MAX_KEYS, POLL
from custody.testing.tokens import TokenBench
from custody.token import recall


def make_job(bench: TokenBench) -> jobs.Recall:
    return jobs.Recall(bench.tables, StandingClock(), lambda: 0)


def begin(bench: TokenBench) -> None:
    with bench.tables.transaction() as txn:
        recall.begin(txn, "auth/token/create")


def test_where_nothing_is_recalled_it_polls_and_writes_nothing() -> None:
    bench = TokenBench()
    bench.make("one")
    bench.tables.changed = 0
    assert asyncio.run(make_job(bench).run()) == POLL
    assert bench.tables.changed == 0


def test_new_jobs_go_on_where_killed_ones_stopped_and_say_what_they_did(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    bench = TokenBench()
    for number in range(200):
        bench.make(f"token-{number}", ttl=100)
    begin(bench)
    runs = 0
    while asyncio.run(make_job(bench).run()) != POLL:
        assert 0 < bench.tables.changed <= MAX_KEYS
        runs += 1
    assert runs == 3
    assert set(bench.rows()[Table.TOKEN]) == {recall.PLACE}
    assert caplog.messages == [
        "tokens are recalled by their path: looking for them",
        "recalled tokens: all 200 of 201 deleted",
    ]
