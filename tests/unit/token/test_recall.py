"""Tokens that are recalled by the path that made them: refused at once, cleared in steps."""

import pytest

from custody.base.errors import PermissionDenied, Unavailable
from custody.base.store import StaleDecision, Table, Tampered
from custody.testing.tokens import TokenBench, token_hash
from custody.token import clearing, recall, recalling, service
from custody.token.asked import Spec, root_spec

CREATE, ROLE = "auth/token/create", "auth/token/create/ci"


def make(bench: TokenBench, name: str, path: str, parent: str | None = None) -> None:
    bench.make(name, parent, spec=Spec(policies=("default",), path=path, ttl=3600))


def begin(bench: TokenBench, path: str) -> None:
    with bench.tables.transaction() as txn:
        recall.begin(txn, path)


def one_step(bench: TokenBench, most: int = 500, keys: int = 500) -> recalling.Step | None:
    with bench.tables.snapshot() as rows:
        batch = recalling.look(rows, most, keys)
    if batch is None:
        return None
    with bench.tables.transaction() as txn:
        return recalling.step(txn, batch, bench.now_ns)


def test_what_was_made_at_or_below_the_path_is_refused_at_once_and_nothing_else() -> None:
    bench = TokenBench()
    paths = {
        "made": CREATE, "by-role": ROLE, "suffixed": f"{ROLE}/suffix", "orphan": f"{CREATE}-orphan",
        "login": "auth/users/login/u", "wrapping": "sys/wrapping/wrap",
    }  # fmt: skip
    for name, path in paths.items():
        make(bench, name, path)
    for path, gone in (
        ("auth/token/cre", set()),
        (f"{ROLE}/suffix", {"suffixed"}),
        (ROLE, {"suffixed", "by-role"}),
        (CREATE, {"suffixed", "by-role", "made"}),
        ("sys", {"suffixed", "by-role", "made", "wrapping"}),
        ("auth", {*paths}),
    ):
        begin(bench, path)
        assert {name for name in paths if not bench.good(name)} == gone, path


def test_what_is_below_a_recalled_token_is_refused_with_it() -> None:
    bench = TokenBench()
    make(bench, "parent", ROLE)
    make(bench, "child", "elsewhere", "parent")
    make(bench, "grandchild", "elsewhere", "child")
    begin(bench, ROLE)
    assert not any(bench.good(name) for name in ("parent", "child", "grandchild"))
    with bench.tables.transaction() as txn, pytest.raises(PermissionDenied):
        service.use(txn, token_hash("grandchild"), bench.now_ns)


def test_a_token_that_is_made_later_is_not_recalled_even_where_the_clock_stands_still() -> None:
    bench = TokenBench()
    make(bench, "before", CREATE)
    begin(bench, CREATE)
    make(bench, "after", CREATE)
    assert (bench.good("before"), bench.good("after")) == (False, True)
    while one_step(bench) is not None:
        assert bench.good("after")
    assert set(bench.rows()[Table.TOKEN]) == {token_hash("after"), recall.PLACE}


def test_root_tokens_of_initialisation_and_of_quorums_are_never_recalled() -> None:
    bench = TokenBench()
    bench.make("root", spec=root_spec())
    for path in ("auth/token/root", "auth/token", "auth"):
        begin(bench, path)
    assert bench.good("root")
    while one_step(bench) is not None:
        pass
    assert bench.good("root")


def test_a_pass_takes_all_away_in_bounded_steps_and_forgets_the_recall() -> None:
    bench = TokenBench()
    for number in range(60):
        make(bench, f"gone-{number}", CREATE)
        make(bench, f"kept-{number}", "elsewhere")
    make(bench, "below", "elsewhere", "gone-1")
    begin(bench, CREATE)
    steps = revoked = 0
    while (step := one_step(bench, most=25, keys=26)) is not None:
        assert bench.tables.changed <= 26
        assert not bench.good("gone-3")
        steps += 1
        revoked = step.reached.revoked
    assert (steps >= 15, revoked) == (True, 60)
    with bench.tables.snapshot() as rows:
        assert recall.read(rows).waiting == ()
        assert not rows.keys(Table.SETTING, b"")
    left = set(bench.rows()[Table.TOKEN])
    assert left == {
        *(token_hash(f"kept-{n}") for n in range(60)),
        token_hash("below"),
        recall.PLACE,
    }
    with bench.tables.transaction() as txn:
        clearing.sweep(txn, bench.now_ns, 10)
    assert token_hash("below") not in bench.rows()[Table.TOKEN]


def test_a_recall_that_comes_during_a_pass_has_one_of_its_own() -> None:
    bench = TokenBench()
    for number in range(40):
        make(bench, f"a-{number}", "a")
        make(bench, f"b-{number}", "b")
    begin(bench, "a")
    one_step(bench, most=50)
    begin(bench, "b")
    ends = 0
    while (step := one_step(bench, most=50)) is not None:
        ends += step.through
    assert ends == 2
    assert set(bench.rows()[Table.TOKEN]) == {recall.PLACE}


def test_a_step_that_was_prepared_before_another_is_refused() -> None:
    bench = TokenBench()
    for number in range(4):
        make(bench, f"token-{number}", "elsewhere")
    begin(bench, CREATE)
    with bench.tables.snapshot() as rows:
        late = recalling.look(rows, 2, 500)
    assert late is not None
    one_step(bench, most=2)
    with bench.tables.transaction() as txn, pytest.raises(StaleDecision):
        recalling.step(txn, late, bench.now_ns)


def test_a_wider_recall_takes_the_place_of_narrower_ones_and_there_are_not_too_many() -> None:
    bench = TokenBench()
    for number in range(recall.MAX_RECALLS):
        begin(bench, f"auth/users/login/u{number}")
    with pytest.raises(Unavailable):
        begin(bench, "auth/token/create")
    begin(bench, "auth/users/login/u1")  # again
    begin(bench, "auth/users")
    with bench.tables.snapshot() as rows:
        assert [each.path for each in recall.read(rows).waiting] == ["auth/users"]


def test_a_row_of_recalls_that_is_missing_or_older_lets_nobody_in() -> None:
    bench = TokenBench()
    with bench.tables.transaction() as txn:
        recall.seed(txn)
    older = bench.rows()[Table.TOKEN][recall.PLACE]
    make(bench, "first", CREATE)
    begin(bench, CREATE)
    make(bench, "second", CREATE)
    with bench.tables.transaction() as txn:
        txn.put(Table.TOKEN, recall.PLACE, older)
    with pytest.raises(Tampered):
        bench.good("second")
    with bench.tables.transaction() as txn:
        txn.delete(Table.TOKEN, recall.PLACE)
    with pytest.raises(Tampered):
        bench.good("first")
