import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.base.store import MAX_BATCH_BYTES, Table
from custody.testing.tokens import TokenBench, accessor_hash, token_hash
from custody.token import clearing, service
from custody.token.asked import Spec
from custody.token.rows import stamp


@pytest.fixture
def bench() -> TokenBench:
    return TokenBench()


@given(
    parents=st.lists(st.integers(min_value=0, max_value=10**6), min_size=1, max_size=25),
    survives=st.lists(st.booleans(), max_size=60),
    limit=st.integers(min_value=1, max_value=4),
)
@settings(max_examples=60)
def test_a_sweep_that_is_killed_at_any_step_is_finished_by_the_next(
    parents: list[int], survives: list[bool], limit: int
) -> None:
    bench = TokenBench()
    names = ["root"]
    bench.make("root", ttl=100)
    for parent in parents:
        name = f"token-{len(names)}"
        bench.make(name, names[parent % len(names)], ttl=50)
        for number in range(parent % 7):
            bench.keep(name, f"folder/{number}")
        names.append(name)
    bench.make("stranger")
    bench.keep("stranger", "own")
    bench.revoke("root")
    gone: list[bytes] = []
    outcomes = iter(survives)
    more = True
    while more:
        commit = next(outcomes, True)
        with bench.tables.transaction(commit=commit) as txn:
            step = clearing.sweep(txn, bench.now_ns, limit)
        if commit:
            more = step.more
            gone += step.revoked
        assert not any(bench.good(name) for name in names)
    assert sorted(gone) == sorted(token_hash(name) for name in names[1:])
    rows = bench.rows()
    assert set(rows.pop(Table.TOKEN)) == {token_hash("stranger")}
    assert len(rows.pop(Table.ACCESSOR)) == 1
    assert list(rows.pop(Table.CUBBYHOLE)) == [accessor_hash("accessor-stranger") + b"own"]
    assert not any(rows.values())


def test_what_a_token_keeps_goes_with_it_however_it_ends(bench: TokenBench) -> None:
    for name in ("revoked", "expired", "spent"):
        uses = 1 if name == "spent" else 0
        spec = Spec(policies=("web",), path="p", ttl=60, num_uses=uses)
        bench.make(name, spec=spec)
        for number in range(5):
            bench.keep(name, f"a/{number}")
    bench.revoke("revoked")
    with bench.tables.transaction() as txn:
        service.use(txn, token_hash("spent"), bench.now_ns)
    bench.advance(130)
    with bench.tables.transaction() as txn:
        clearing.expire(txn, bench.now_ns, 10)
    steps = 0
    more = True
    while more:
        with bench.tables.transaction() as txn:
            more = clearing.sweep(txn, bench.now_ns, 2).more
        assert bench.tables.changed <= 3
        steps += 1
    assert steps == 9  # two rows each, and the mark with the last one
    assert not any(bench.rows().values())


def test_a_step_changes_no_more_rows_than_it_may(bench: TokenBench) -> None:
    bench.make("root", ttl=60)
    for number in range(120):
        bench.make(f"child-{number}", "root", ttl=60)
        bench.keep(f"child-{number}", "kept")
        bench.make(f"grandchild-{number}", f"child-{number}", ttl=60)
    bench.revoke("root")
    with bench.tables.transaction() as txn:
        assert clearing.sweep(txn, bench.now_ns, 99).more
    assert bench.tables.changed == 99 * clearing.KEYS_PER_TOKEN


def test_a_step_over_large_rows_holds_no_more_than_it_may(bench: TokenBench) -> None:
    large = "x" * (MAX_BATCH_BYTES // 2)
    bench.make("root", ttl=60)
    for number in range(4):
        spec = Spec(policies=("web",), path="p", ttl=60, meta={"large": large})
        bench.make(f"child-{number}", "root", spec=spec)
        bench.keep("root", f"kept/{number}", large.encode())
    bench.revoke("root")
    gone, steps, more = 0, 0, True
    while more:
        with bench.tables.transaction() as txn:
            step = clearing.sweep(txn, bench.now_ns, 99)
            assert txn.held < 2 * MAX_BATCH_BYTES
        gone, steps, more = gone + len(step.revoked), steps + 1, step.more
    assert (gone, steps) == (4, 4)  # two tokens, or two rows of the cubbyhole, in each
    assert not any(bench.rows().values())


def test_expiry_of_large_tokens_holds_no_more_than_it_may(bench: TokenBench) -> None:
    for number in range(4):
        spec = Spec(policies=("web",), path="p", ttl=1, meta={"large": "x" * MAX_BATCH_BYTES})
        bench.make(f"token-{number}", spec=spec)
    bench.advance(5)
    for left in (3, 2, 1, 0):
        with bench.tables.transaction() as txn:
            step = clearing.expire(txn, bench.now_ns, 99)
        assert (len(step.revoked), step.more) == (1, left > 0)


def test_expiry_takes_the_longest_due_first_and_no_more_than_asked(bench: TokenBench) -> None:
    for name, ttl in (("c", 3), ("a", 1), ("b", 2), ("later", 99)):
        bench.make(name, ttl=ttl)
    bench.advance(5)
    with bench.tables.transaction() as txn:
        step = clearing.expire(txn, bench.now_ns, 2)
    assert step == clearing.Step((token_hash("a"), token_hash("b")), more=True)
    with bench.tables.transaction() as txn:
        step = clearing.expire(txn, bench.now_ns, 2)
    assert step == clearing.Step((token_hash("c"),), more=False)
    assert bench.good("later")


def test_a_row_in_the_index_that_no_token_stands_behind_is_dropped(bench: TokenBench) -> None:
    bench.make("a", ttl=100)
    with bench.tables.transaction() as txn:
        txn.put(Table.EXPIRY, stamp(1) + token_hash("a"), b"")
        txn.put(Table.EXPIRY, stamp(1) + token_hash("nobody"), b"")
    with bench.tables.transaction() as txn:
        assert clearing.expire(txn, bench.now_ns, 10) == clearing.Step((), more=False)
    assert bench.good("a")
    assert len(bench.rows()[Table.EXPIRY]) == 1


def test_the_head_of_the_index_says_when_to_come_back(bench: TokenBench) -> None:
    with bench.tables.snapshot() as rows:
        assert clearing.next_due_ns(rows) is None
    bench.make("a", ttl=30)
    bench.make("b", ttl=10)
    with bench.tables.snapshot() as rows:
        assert clearing.next_due_ns(rows) == bench.now_ns + 10 * 10**9
        assert clearing.count_due(rows, bench.now_ns + 30 * 10**9, 10) == 2
        assert clearing.count_due(rows, bench.now_ns + 30 * 10**9, 1) == 1


def test_sweeping_where_nothing_is_marked_does_nothing(bench: TokenBench) -> None:
    with bench.tables.transaction() as txn:
        assert clearing.sweep(txn, bench.now_ns, 10) == clearing.Step((), more=False)


def test_a_token_is_not_cleared_in_the_second_in_which_it_ends(bench: TokenBench) -> None:
    bench.advance(0.5)
    bench.make("a", ttl=10)
    bench.advance(9.75)
    with bench.tables.transaction() as txn:
        assert clearing.expire(txn, bench.now_ns, 10) == clearing.Step((), more=False)
    assert bench.good("a")


def test_a_child_that_is_already_gone_does_not_hold_a_sweep_up(bench: TokenBench) -> None:
    bench.make("root")
    with bench.tables.transaction() as txn:
        txn.put(Table.CHILD, token_hash("root") + token_hash("nobody"), b"")
    bench.revoke("root")
    with bench.tables.transaction() as txn:
        assert clearing.sweep(txn, bench.now_ns, 10) == clearing.Step((), more=False)
    assert not any(bench.rows().values())
