import asyncio
import logging
from collections.abc import Callable

import pytest

from custody.base.clock import NANOSECOND
from custody.core.jobs import expiry
from custody.core.jobs.job import MAX_KEYS, POLL
from custody.testing.tokens import START_NS, TokenBench


class Clocks:
    """Wall and boot time that the test sets."""

    def __init__(self) -> None:
        self.wall = START_NS
        self.boot = 5 * NANOSECOND

    def now_ns(self) -> int:
        return self.wall

    def boot_ns(self) -> int:
        return self.boot

    def advance(self, seconds: int) -> None:
        self.wall += seconds * NANOSECOND
        self.boot += seconds * NANOSECOND


@pytest.fixture
def bench() -> TokenBench:
    return TokenBench()


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def make_job(
    bench: TokenBench, clocks: Clocks, floor: Callable[[], int] = lambda: 0
) -> expiry.Expiry:
    return expiry.Expiry(bench.tables, clocks, floor)


def run(job: expiry.Expiry) -> float:
    return asyncio.run(job.run())


def waits(job: expiry.Expiry) -> bool:
    return job.clock_jump


def run_until_idle(job: expiry.Expiry) -> int:
    runs = 1
    while run(job) == 0:
        runs += 1
    return runs


def test_with_nothing_to_expire_it_polls(bench: TokenBench, clocks: Clocks) -> None:
    bench.make("a")
    bench.tables.changed = 0
    assert run(make_job(bench, clocks)) == POLL
    assert bench.tables.changed == 0


def test_it_comes_back_when_the_next_token_is_due(bench: TokenBench, clocks: Clocks) -> None:
    bench.make("a", ttl=10)
    job = make_job(bench, clocks)
    assert run(job) == POLL
    clocks.wall += 9_750_000_000
    assert run(job) == pytest.approx(0.25)
    clocks.wall += 250_000_000
    run(job)
    assert job.expired == 1
    assert not any(bench.rows().values())


def test_many_due_tokens_go_in_bounded_batches(bench: TokenBench, clocks: Clocks) -> None:
    for number in range(250):
        bench.make(f"token-{number}", ttl=10)
    job = make_job(bench, clocks)
    clocks.advance(11)
    assert run(job) == 0
    assert 0 < bench.tables.changed <= MAX_KEYS
    assert run_until_idle(job) == 3
    assert job.expired == 250
    assert not any(bench.rows().values())


def test_time_never_falls_behind_the_log(bench: TokenBench, clocks: Clocks) -> None:
    bench.make("a", ttl=10)
    job = make_job(bench, clocks, floor=lambda: START_NS + 10 * NANOSECOND)
    clocks.wall -= 3600 * NANOSECOND
    run(job)
    assert job.expired == 1


def test_a_jump_of_the_clock_expires_nobody_in_mass(
    bench: TokenBench, clocks: Clocks, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(101):
        bench.make(f"token-{number}", ttl=10)
    job = make_job(bench, clocks)
    clocks.wall += 86_400 * NANOSECOND
    with caplog.at_level(logging.ERROR):
        assert run(job) == POLL
        assert run(job) == POLL
    assert waits(job)
    assert job.expired == 0
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["clock_jump"]
    job.accept_clock()
    run_until_idle(job)
    assert not waits(job)
    assert job.expired == 101


def test_expiry_goes_on_by_itself_once_the_clocks_agree(bench: TokenBench, clocks: Clocks) -> None:
    for number in range(101):
        bench.make(f"token-{number}", ttl=10)
    job = make_job(bench, clocks)
    clocks.wall += 86_400 * NANOSECOND
    run(job)
    assert waits(job)
    clocks.wall -= 86_400 * NANOSECOND
    assert run(job) == POLL
    assert not waits(job)
    clocks.advance(11)
    run_until_idle(job)
    assert not waits(job)
    assert job.expired == 101


def test_a_few_tokens_expire_whatever_the_clock_did(bench: TokenBench, clocks: Clocks) -> None:
    for number in range(100):
        bench.make(f"token-{number}", ttl=10)
    job = make_job(bench, clocks)
    clocks.wall += 86_400 * NANOSECOND
    run_until_idle(job)
    assert job.expired == 100
