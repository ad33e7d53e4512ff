"""How long tokens live, by roles, periods and maxima, against the rules in plain arithmetic.

Time passes, tokens are renewed, roles change meanwhile. What must hold at any time: nobody lives
past an explicit maximum of the token or of its role as it was at the last grant, nobody who has no
period lives past the mount's maximum, and a grant is never longer than what was asked for.
"""

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from custody.base.clock import NANOSECOND
from custody.base.errors import BadRequest
from custody.testing.tokens import TokenBench, token_hash
from custody.token import roles, service
from custody.token.asked import Asked, Handle, Way
from custody.token.entry import TokenEntry
from custody.token.lifetime import Limits
from custody.token.plan import plan
from custody.token.roles import TokenRole

LIMITS = Limits(default_ttl=50, max_ttl=200)
NEVER = 10**9
MAKER = TokenEntry(accessor="m", accessor_hash=b"m", policies=("root",))
seconds = st.sampled_from([0, 0, 7, 40, 90, 300])


@dataclass
class Model:
    """One token: when it was made, what it said itself, and until when it was last granted."""

    name: str
    born: int
    explicit: int
    period: int
    until: int
    by_role: bool


class TokenTerms(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.bench = TokenBench()
        self.begin_ns = self.bench.now_ns
        self.role: TokenRole | None = None
        self.tokens: list[Model] = []

    @property
    def now(self) -> int:
        return (self.bench.now_ns - self.begin_ns) // NANOSECOND

    @rule(period=seconds, explicit=seconds)
    def change_the_role(self, period: int, explicit: int) -> None:
        self.role = TokenRole(name="r", period=period, explicit_max_ttl=explicit)
        with self.bench.tables.transaction() as txn:
            roles.write(txn, self.role)

    @precondition(lambda self: self.role)
    @rule()
    def remove_the_role(self) -> None:
        self.role = None
        with self.bench.tables.transaction() as txn:
            roles.delete(txn, "r")

    @rule(ttl=seconds, period=seconds, explicit=seconds, by_role=st.booleans())
    def make(self, ttl: int, period: int, explicit: int, by_role: bool) -> None:  # noqa: FBT001 given by hypothesis
        role = self.role if by_role else None
        way = Way("auth/token/create", sudo=True, role=role)
        asked = Asked(policies=("web",), ttl=ttl, period=period, explicit_max_ttl=explicit)
        made = plan(MAKER, asked, way, LIMITS)
        name = f"token-{len(self.tokens)}"
        accessor = f"accessor-{name}"
        handle = Handle(token_hash(name), accessor, accessor.encode())
        with self.bench.tables.transaction() as txn:
            service.create(txn, made.spec, handle, None, self.bench.now_ns)
        of_role = (role.explicit_max_ttl, role.period) if role else (0, 0)
        expected = self._granted(ttl, explicit, period, of_role)
        assert made.spec.ttl == expected
        until = self.now + expected
        self.tokens.append(Model(name, self.now, explicit, period, until, role is not None))

    @precondition(lambda self: self.tokens)
    @rule(pick=st.integers(min_value=0, max_value=10**6), increment=seconds)
    def renew(self, pick: int, increment: int) -> None:
        token = self.tokens[pick % len(self.tokens)]
        alive = self.now < token.until
        lost = token.by_role and self.role is None
        before = token.until
        try:
            with self.bench.tables.transaction() as txn:
                hashed = token_hash(token.name)
                renewed = service.renew(txn, hashed, increment, self.bench.now_ns, LIMITS)
        except BadRequest as error:
            ended = "past the max TTL" in error.messages[0]
            assert not alive or lost or ended
            return
        assert alive
        assert not lost
        of_role = (0, 0)
        if token.by_role and self.role is not None:
            of_role = (self.role.explicit_max_ttl, self.role.period)
        explicit = _least(token.explicit, of_role[0])
        period = _least(token.period, of_role[1])
        token.until = self.now + renewed.ttl
        if explicit:
            assert token.until <= token.born + explicit
        if not period:
            assert token.until <= token.born + LIMITS.max_ttl
        assert 0 < renewed.ttl <= (period or increment or before)
        if period and (not explicit or token.born + explicit - self.now >= period):
            assert renewed.ttl == min(period, LIMITS.max_ttl, explicit or NEVER)

    @rule(passed=st.sampled_from([1, 5, 30, 70]))
    def wait(self, passed: int) -> None:
        self.bench.advance(passed)
        for token in self.tokens:
            assert self.bench.good(token.name) == (self.now < token.until)

    def _granted(self, ttl: int, explicit: int, period: int, of_role: tuple[int, int]) -> int:
        most, every = _least(explicit, of_role[0]), _least(period, of_role[1])
        longest = min(LIMITS.max_ttl, most or NEVER)
        if every:
            return min(every, longest)
        return min(ttl or LIMITS.default_ttl, longest)


def _least(one: int, other: int) -> int:
    return min(value for value in (one or NEVER, other or NEVER)) % NEVER


TestTokenTerms = TokenTerms.TestCase
TestTokenTerms.settings = settings(max_examples=80, stateful_step_count=30)
