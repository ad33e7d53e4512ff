import asyncio

from custody.base.store import Table
from custody.core.jobs.job import MAX_KEYS, POLL
from custody.core.jobs.revocation import Revocation
from custody.testing.tokens import START_NS, TokenBench


class StandingClock:
    def now_ns(self) -> int:
        return START_NS

    def boot_ns(self) -> int:
        return 0


def make_job(bench: TokenBench) -> Revocation:
    return Revocation(bench.tables, StandingClock(), lambda: 0)


def test_without_marks_it_polls_and_writes_nothing() -> None:
    bench = TokenBench()
    job = make_job(bench)
    assert asyncio.run(job.run()) == POLL
    assert bench.tables.changed == 0


def test_a_tree_is_cleared_in_bounded_batches_to_the_last_row() -> None:
    bench = TokenBench()
    bench.make("root", ttl=100)
    for number in range(150):
        bench.make(f"child-{number}", "root", ttl=100)
        bench.make(f"grandchild-{number}", f"child-{number}", ttl=100)
    bench.make("stranger")
    bench.revoke("root")
    job = make_job(bench)
    while asyncio.run(job.run()) == 0:
        assert 0 < bench.tables.changed <= MAX_KEYS
    assert job.revoked == 300
    rows = bench.rows()
    assert len(rows[Table.TOKEN]) == len(rows[Table.ACCESSOR]) == 1
    assert not any(rows[table] for table in (Table.CHILD, Table.EXPIRY, Table.REVOCATION))
    assert bench.good("stranger")


def test_a_new_job_goes_on_where_a_killed_one_stopped() -> None:
    bench = TokenBench()
    bench.make("root")
    for number in range(120):
        bench.make(f"child-{number}", "root")
    bench.revoke("root")
    assert asyncio.run(make_job(bench).run()) == 0
    assert asyncio.run(make_job(bench).run()) == POLL
    assert not any(bench.rows().values())
