import pytest

from custody.base.clock import NANOSECOND
from custody.base.codec import encode
from custody.base.errors import BadRequest, PermissionDenied
from custody.base.store import Table
from custody.crypto.mac import Authenticator
from custody.testing.tokens import SALT, TokenBench, accessor_hash, token_hash
from custody.token import clearing, recall, service
from custody.token.asked import Spec
from custody.token.entry import SPENT, Renewed, TokenEntry, decode_entry
from custody.token.lifetime import Limits
from custody.token.rows import SPENT_GRACE_NS

LIMITS = Limits(default_ttl=600, max_ttl=3600)


def limited(uses: int) -> Spec:
    return Spec(policies=("web",), path="p", ttl=60, num_uses=uses)


@pytest.fixture
def bench() -> TokenBench:
    return TokenBench()


def use(bench: TokenBench, name: str) -> TokenEntry:
    with bench.tables.transaction() as txn:
        return service.use(txn, token_hash(name), bench.now_ns)


def renew(bench: TokenBench, name: str, increment: int = 0) -> Renewed:
    with bench.tables.transaction() as txn:
        return service.renew(txn, token_hash(name), increment, bench.now_ns, LIMITS)


def test_a_token_and_an_accessor_of_the_same_text_have_different_keys() -> None:
    assert service.hash_id(SALT, "x") != service.hash_accessor(SALT, "x")
    assert service.hash_id(SALT, "x") != service.hash_id(Authenticator(b"other"), "x")


def test_an_entry_comes_back_as_it_was_stored() -> None:
    entry = TokenEntry(
        accessor="a", accessor_hash=b"h", policies=("x",), meta={"k": "v"}, ancestors=(b"1", b"2")
    )
    again = decode_entry(encode(entry))
    assert again.schema == TokenEntry.SCHEMA
    assert (again.meta, again.ancestors, again.policies) == ({"k": "v"}, (b"1", b"2"), ("x",))


def test_the_text_of_a_token_is_in_no_row(bench: TokenBench) -> None:
    bench.make("tell-nobody", ttl=60)
    stored = b"".join(
        key + value for table in bench.rows().values() for key, value in table.items()
    )
    assert b"tell-nobody" not in stored.replace(b"accessor-tell-nobody", b"")


def test_an_unknown_token_is_refused_in_plain_words(bench: TokenBench) -> None:
    with bench.tables.snapshot() as rows, pytest.raises(PermissionDenied) as caught:
        service.authenticate(rows, token_hash("nobody"), bench.now_ns)
    assert caught.value.listed == ("permission denied",)


def test_a_token_is_refused_from_the_second_it_expires(bench: TokenBench) -> None:
    bench.make("a", ttl=10)
    bench.now_ns += 10 * NANOSECOND - 1
    assert bench.good("a")
    bench.now_ns += 1
    assert not bench.good("a")


def test_revoking_a_token_refuses_its_whole_tree_at_once(bench: TokenBench) -> None:
    names = bench.chain(5)
    bench.make("beside", names[1])
    bench.make("stranger")
    assert bench.revoke(names[1]) == (token_hash(names[1]),)
    assert [bench.good(name) for name in names] == [True, False, False, False, False]
    assert not bench.good("beside")
    assert bench.good("stranger")


def test_an_expired_ancestor_refuses_its_descendants(bench: TokenBench) -> None:
    bench.make("a", ttl=10)
    bench.make("b", "a")
    bench.advance(11)
    assert not bench.good("b")


def test_revocation_does_not_grow_with_the_tree(bench: TokenBench) -> None:
    bench.make("a", ttl=60)
    for number in range(300):
        bench.make(f"child-{number}", "a")
    bench.revoke("a")
    assert bench.tables.changed <= clearing.KEYS_PER_TOKEN


def test_revoking_an_unknown_token_does_nothing(bench: TokenBench) -> None:
    assert bench.revoke("nobody") == ()
    assert not any(bench.rows().values())


def test_every_row_that_a_decision_rests_on_is_in_the_read_set(bench: TokenBench) -> None:
    names = bench.chain(4)
    with bench.tables.snapshot() as rows:
        service.authenticate(rows, token_hash(names[3]), bench.now_ns)
        keys = {*(token_hash(name) for name in names), recall.PLACE}
        assert set(rows.reads) == {bytes((Table.TOKEN,)) + key for key in keys}


def test_a_token_has_at_most_32_ancestors(bench: TokenBench) -> None:
    names = bench.chain(33)
    with pytest.raises(BadRequest, match="at most 32 ancestors"):
        bench.make("too-deep", names[-1])


def test_nothing_is_made_below_a_revoked_tree(bench: TokenBench) -> None:
    names = bench.chain(3)
    bench.revoke(names[0])
    with pytest.raises(PermissionDenied):
        bench.make("late", names[2])


def test_an_id_is_given_once(bench: TokenBench) -> None:
    bench.make("mine")
    with pytest.raises(BadRequest) as caught:
        bench.make("mine")
    assert caught.value.messages == ("cannot create a token with a duplicate ID",)


def test_an_id_given_again_does_not_revive_what_hung_below_it(bench: TokenBench) -> None:
    bench.make("mine")
    bench.make("b", "mine")
    bench.make("c", "b")
    bench.revoke("mine")
    with pytest.raises(BadRequest, match="duplicate ID"):
        bench.make("mine")
    with bench.tables.transaction() as txn:
        clearing.sweep(txn, bench.now_ns, 1)
    bench.make("mine")
    with pytest.raises(BadRequest, match="duplicate ID"):
        bench.make("b", "mine")
    assert not bench.good("c")


def test_the_last_use_lets_nobody_else_in(bench: TokenBench) -> None:
    bench.make("a", spec=limited(2))
    assert use(bench, "a").num_uses == 1
    assert bench.good("a")
    assert use(bench, "a").num_uses == SPENT
    assert not bench.good("a")
    with pytest.raises(PermissionDenied):
        use(bench, "a")
    with bench.tables.snapshot() as rows:
        found = service.find(rows, token_hash("a"), bench.now_ns)
    assert found is not None
    assert found.num_uses == SPENT


def test_using_an_unlimited_token_changes_nothing(bench: TokenBench) -> None:
    bench.make("a", ttl=60)
    assert use(bench, "a").num_uses == 0
    assert bench.tables.changed == 0


def test_a_spent_token_is_cleared_although_nobody_came_back_for_it(bench: TokenBench) -> None:
    bench.make("a", spec=Spec(policies=("web",), path="p", num_uses=1))
    use(bench, "a")
    bench.now_ns += SPENT_GRACE_NS
    with bench.tables.transaction() as txn:
        assert clearing.expire(txn, bench.now_ns, 10).revoked == (token_hash("a"),)
    assert not any(bench.rows().values())


def test_revoking_a_spent_token_leaves_no_row(bench: TokenBench) -> None:
    bench.make("a", spec=limited(1))
    use(bench, "a")
    bench.revoke("a")
    assert not any(bench.rows().values())


def test_renewal_counts_from_now_and_moves_the_expiry(bench: TokenBench) -> None:
    bench.make("a", ttl=60)
    bench.advance(50)
    renewed = renew(bench, "a", 100)
    assert renewed.ttl == 100
    assert renewed.entry.ttl == 60
    assert renewed.entry.last_renewal_ns == bench.now_ns
    bench.advance(99)
    assert bench.good("a")
    bench.advance(1)
    assert not bench.good("a")
    assert len(bench.rows()[Table.EXPIRY]) == 1


def test_renewal_without_a_wish_repeats_the_last_grant(bench: TokenBench) -> None:
    bench.make("a", ttl=60)
    bench.advance(10)
    assert renew(bench, "a").ttl == 60
    renew(bench, "a", 90)
    assert renew(bench, "a").ttl == 90


def test_renewal_never_passes_the_maximum_from_creation(bench: TokenBench) -> None:
    bench.make("a", ttl=3000)
    bench.advance(2999.5)
    renewed = renew(bench, "a", 3000)
    assert renewed.ttl == 601  # ages are counted from second to second, as Vault does
    assert renewed.warnings == (
        'TTL of "50m" exceeded the effective max_ttl of "10m1s"; TTL value is capped accordingly',
    )
    assert renewed.entry.expires_ns == renewed.entry.created_ns + LIMITS.max_ttl * NANOSECOND


def test_a_renewal_in_the_second_of_creation_is_not_capped(bench: TokenBench) -> None:
    bench.make("a", ttl=LIMITS.max_ttl)
    bench.advance(0.3)
    for _ in range(3):
        renewed = renew(bench, "a", 0)
        assert (renewed.ttl, renewed.warnings) == (LIMITS.max_ttl, ())
        assert renewed.entry.expires_ns == renewed.entry.created_ns + LIMITS.max_ttl * NANOSECOND


def test_a_periodic_token_renews_for_ever(bench: TokenBench) -> None:
    bench.make("a", spec=Spec(policies=("web",), path="p", ttl=600, period=600))
    for _ in range(20):
        bench.advance(599)
        assert renew(bench, "a", 10).ttl == 600


@pytest.mark.parametrize(
    "spec",
    [
        Spec(policies=("web",), path="p", ttl=60, renewable=False),
        Spec(policies=("root",), path="p", renewable=True),
    ],
)
def test_some_tokens_are_not_renewable(bench: TokenBench, spec: Spec) -> None:
    bench.make("a", spec=spec)
    with pytest.raises(BadRequest) as caught:
        renew(bench, "a")
    assert caught.value.messages == ("lease is not renewable",)


def test_an_unknown_token_is_not_renewed(bench: TokenBench) -> None:
    with pytest.raises(BadRequest) as caught:
        renew(bench, "nobody")
    assert caught.value.messages == ("token not found",)


def test_an_accessor_leads_to_a_live_token_only(bench: TokenBench) -> None:
    bench.make("a", ttl=10)
    with bench.tables.snapshot() as rows:
        found = service.by_accessor(rows, accessor_hash("accessor-a"), bench.now_ns)
        assert found is not None
        assert found[0] == token_hash("a")
        assert service.by_accessor(rows, accessor_hash("other"), bench.now_ns) is None
        late = bench.now_ns + 10 * NANOSECOND
        assert service.by_accessor(rows, accessor_hash("accessor-a"), late) is None


def test_pages_of_accessors_name_every_live_token_once(bench: TokenBench) -> None:
    names = {f"token-{number}" for number in range(25)}
    for name in names:
        bench.make(name)
    bench.make("dead", ttl=1)
    bench.advance(2)
    seen: list[str] = []
    after: bytes | None = b""
    with bench.tables.snapshot() as rows:
        while after is not None:
            page, after = service.accessors(rows, after, 4, bench.now_ns)
            seen += page
    assert sorted(seen) == sorted(f"accessor-{name}" for name in names)


def test_revoke_orphan_lets_the_children_live_on_by_themselves(bench: TokenBench) -> None:
    names = bench.chain(4)
    with bench.tables.transaction() as txn:
        service.revoke_orphan(txn, token_hash(names[1]), bench.now_ns)
    assert [bench.good(name) for name in names] == [True, False, True, True]
    bench.revoke(names[0])
    assert [bench.good(name) for name in names] == [False, False, True, True]
    bench.revoke(names[2])
    assert not bench.good(names[3])


def test_revoke_orphan_does_not_save_the_children_of_a_dead_token(bench: TokenBench) -> None:
    names = bench.chain(3)
    bench.revoke(names[0])
    with bench.tables.transaction() as txn, pytest.raises(BadRequest) as caught:
        service.revoke_orphan(txn, token_hash(names[1]), bench.now_ns)
    assert caught.value.messages == ("token to revoke not found",)
    assert not bench.good(names[2])
