"""Random lives of token trees, against a model that says it in the plainest words."""

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from custody.base.clock import NANOSECOND
from custody.base.errors import BadRequest, PermissionDenied
from custody.base.store import Table
from custody.testing.tokens import TokenBench, accessor_hash, token_hash
from custody.token import clearing, recall, recalling, service
from custody.token.asked import Spec
from custody.token.entry import SPENT
from custody.token.lifetime import Limits

LIMITS = Limits(default_ttl=50, max_ttl=200)
picks = st.integers(min_value=0, max_value=10**6)


@dataclass
class Model:
    """One token, as a person would describe it."""

    name: str
    parent: "Model | None"
    expires_ns: int
    uses: int
    revoked: bool = False
    path: str = "p"

    def good(self, now_ns: int) -> bool:
        above = self.parent is None or self.parent.standing(now_ns)
        return above and self.standing(now_ns) and self.uses != SPENT

    def standing(self, now_ns: int) -> bool:
        if self.revoked or 0 < self.expires_ns <= now_ns:
            return False
        return self.parent is None or self.parent.standing(now_ns)


class TokenLives(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.bench = TokenBench()
        self.tokens: list[Model] = []

    @rule(ttl=st.sampled_from([0, 5, 20, 100]), uses=st.sampled_from([0, 0, 1, 2]))
    def create_orphan(self, ttl: int, uses: int) -> None:
        self._create(None, ttl, uses)

    @precondition(lambda self: self.tokens)
    @rule(pick=picks, ttl=st.sampled_from([0, 5, 20, 100]))
    def create_child(self, pick: int, ttl: int) -> None:
        parent = self.tokens[pick % len(self.tokens)]
        if parent.uses:
            return
        self._create(parent, ttl, 0)

    @precondition(lambda self: self.tokens)
    @rule(pick=picks)
    def revoke(self, pick: int) -> None:
        token = self.tokens[pick % len(self.tokens)]
        self.bench.revoke(token.name)
        token.revoked = True

    @precondition(lambda self: self.tokens)
    @rule(pick=picks)
    def revoke_orphan(self, pick: int) -> None:
        token = self.tokens[pick % len(self.tokens)]
        standing = token.standing(self.bench.now_ns)
        try:
            with self.bench.tables.transaction() as txn:
                service.revoke_orphan(txn, token_hash(token.name), self.bench.now_ns)
        except BadRequest:
            assert not standing or token.uses == SPENT  # which may have been cleared
            return
        assert standing
        token.revoked = True
        for child in self.tokens:
            if child.parent is token and not child.revoked:
                child.parent = None

    @precondition(lambda self: self.tokens)
    @rule(pick=picks)
    def use(self, pick: int) -> None:
        token = self.tokens[pick % len(self.tokens)]
        good = token.good(self.bench.now_ns)
        try:
            with self.bench.tables.transaction() as txn:
                service.use(txn, token_hash(token.name), self.bench.now_ns)
        except PermissionDenied:
            assert not good
            return
        assert good
        if token.uses:
            token.uses = token.uses - 1 or SPENT

    @precondition(lambda self: self.tokens)
    @rule(pick=picks, increment=st.sampled_from([0, 10, 500]))
    def renew(self, pick: int, increment: int) -> None:
        token = self.tokens[pick % len(self.tokens)]
        good = token.good(self.bench.now_ns)
        now_ns = self.bench.now_ns
        try:
            with self.bench.tables.transaction() as txn:
                hashed = token_hash(token.name)
                renewed = service.renew(txn, hashed, increment, now_ns, LIMITS)
        except BadRequest:
            return
        assert good
        assert token.expires_ns
        assert renewed.entry.expires_ns <= renewed.entry.created_ns + 200 * NANOSECOND
        ends_ns = now_ns + renewed.ttl * NANOSECOND
        assert ends_ns - NANOSECOND < renewed.entry.expires_ns <= ends_ns
        token.expires_ns = renewed.entry.expires_ns

    @rule(seconds=st.sampled_from([0.4, 3, 30, 130]))
    def wait(self, seconds: float) -> None:
        self.bench.advance(seconds)

    @rule(path=st.sampled_from(["p", "p/a", "p/b"]))
    def recall(self, path: str) -> None:
        with self.bench.tables.transaction() as txn:
            recall.begin(txn, path)
        for token in self.tokens:
            token.revoked |= path in {token.path, "p"}

    @rule(limit=st.integers(min_value=1, max_value=3))
    def clear_some_recalled(self, limit: int) -> None:
        self._clear_recalled(limit)

    @rule(limit=st.integers(min_value=1, max_value=3))
    def expire_some(self, limit: int) -> None:
        with self.bench.tables.transaction() as txn:
            clearing.expire(txn, self.bench.now_ns, limit)

    @rule(limit=st.integers(min_value=1, max_value=3))
    def sweep_some(self, limit: int) -> None:
        with self.bench.tables.transaction() as txn:
            clearing.sweep(txn, self.bench.now_ns, limit)

    @invariant()
    def the_store_lets_in_whom_the_model_lets_in(self) -> None:
        now_ns = self.bench.now_ns
        for token in self.tokens:
            assert self.bench.good(token.name) == token.good(now_ns), token.name

    def teardown(self) -> None:
        if not hasattr(self, "bench"):
            return
        self.bench.advance(130)  # past the grace of spent tokens
        self._run_all_jobs()
        live = [token for token in self.tokens if token.good(self.bench.now_ns)]
        rows = self.bench.rows()
        assert set(rows[Table.TOKEN]) - {recall.PLACE} == {token_hash(token.name) for token in live}
        assert rows[Table.ACCESSOR] == {
            accessor_hash(f"accessor-{token.name}"): token_hash(token.name) for token in live
        }
        assert set(rows[Table.CHILD]) == {
            token_hash(token.parent.name) + token_hash(token.name)
            for token in live
            if token.parent is not None
        }
        assert {key[8:] for key in rows[Table.EXPIRY]} == {
            token_hash(token.name) for token in live if token.expires_ns
        }
        assert len(rows[Table.EXPIRY]) == sum(token.expires_ns > 0 for token in live)
        assert not rows[Table.REVOCATION]

    def _create(self, parent: Model | None, ttl: int, uses: int) -> None:
        name = f"token-{len(self.tokens)}"
        above = None if parent is None else parent.name
        path = ("p", "p/a", "p/b")[len(self.tokens) % 3]
        spec = Spec(policies=("web",), path=path, ttl=ttl, num_uses=uses)
        try:
            entry = self.bench.make(name, above, spec=spec)
        except PermissionDenied:
            assert parent is not None
            assert not parent.good(self.bench.now_ns)
            return
        self.tokens.append(Model(name, parent, entry.expires_ns, uses, path=path))

    def _run_all_jobs(self) -> None:
        more = True
        while more:
            recalled = self._clear_recalled(2)
            with self.bench.tables.transaction() as txn:
                more = clearing.expire(txn, self.bench.now_ns, 2).more
            with self.bench.tables.transaction() as txn:
                more |= clearing.sweep(txn, self.bench.now_ns, 2).more or recalled

    def _clear_recalled(self, limit: int) -> bool:
        with self.bench.tables.snapshot() as rows:
            batch = recalling.look(rows, limit, 20)
        if batch is None:
            return False
        with self.bench.tables.transaction() as txn:
            recalling.step(txn, batch, self.bench.now_ns)
        return True


TestTokenLives = TokenLives.TestCase
TestTokenLives.settings = settings(max_examples=60, stateful_step_count=40)
