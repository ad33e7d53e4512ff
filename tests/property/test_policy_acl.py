"""The compiled ACL against the documented rules, written down again with plain code."""

from functools import cmp_to_key

from hypothesis import given, settings
from hypothesis import strategies as st

from custody.policy.acl import ACL
from custody.policy.document import Document, parse

NOW = 10**18
OPERATIONS = ["create", "read", "update", "delete", "list", "scan", "patch"]
SEGMENTS = st.sampled_from(["a", "b", "ab", "abc", "a-b", "", "x*y", "a+"])
WILD_SEGMENTS = SEGMENTS | st.just("+")


@st.composite
def patterns(draw: st.DrawFn) -> str:
    pattern = "/".join(draw(st.lists(WILD_SEGMENTS, min_size=1, max_size=4)))
    if draw(st.booleans()) and not pattern.endswith("+"):
        pattern += "*"
    return pattern.lstrip("/")


PATHS = st.lists(SEGMENTS, min_size=1, max_size=5).map("/".join)
CAPABILITIES = st.sets(st.sampled_from([*OPERATIONS, *OPERATIONS, "sudo", "deny"]), max_size=5)
POLICY = st.lists(st.tuples(patterns(), CAPABILITIES), max_size=6)
POLICIES = st.lists(POLICY, max_size=4)


def block(pattern: str, names: set[str]) -> str:
    quoted = ", ".join(f'"{name}"' for name in sorted(names))
    return f'path "{pattern}" {{ capabilities = [{quoted}] }}'


def documents(policies: list[list[tuple[str, set[str]]]]) -> list[Document]:
    return [
        parse(f"p{index}", "\n".join(block(*rule) for rule in policy))
        for index, policy in enumerate(policies)
    ]


def matches(pattern: str, path: str) -> bool:
    """Whether the pattern covers the path: `+` is one segment, a last `*` is any rest."""
    open_ended = pattern.endswith("*")
    wanted = (pattern[:-1] if open_ended else pattern).split("/")
    given = path.split("/")
    if len(given) < len(wanted) or (not open_ended and len(given) > len(wanted)):
        return False
    for index, (want, have) in enumerate(zip(wanted, given, strict=False)):
        last = index == len(wanted) - 1
        if want in {"+", have} or (open_ended and last and have.startswith(want)):
            continue
        return False
    return True


def first_wildcard(pattern: str) -> int:
    """Where the first `+` that is a segment or starts one, or the last `*`, stands."""
    segmented = pattern == "+" or pattern.startswith("+/") or "/+" in pattern
    return pattern.find("+") if segmented else len(pattern) - 1


def lower(one: str, other: str) -> int:
    """Negative if `one` is of lower priority than `other`: the documented checks, in order."""
    if first_wildcard(one) != first_wildcard(other):
        return first_wildcard(one) - first_wildcard(other)
    if one.endswith("*") != other.endswith("*"):
        return -1 if one.endswith("*") else 1
    plus_one, plus_other = one.rstrip("*").split("/"), other.rstrip("*").split("/")
    if plus_one.count("+") != plus_other.count("+"):
        return plus_other.count("+") - plus_one.count("+")
    if len(one) != len(other):
        return len(one) - len(other)
    return -1 if one < other else int(one > other)


def is_wild(pattern: str) -> bool:
    return pattern.endswith("*") or pattern == "+" or pattern.startswith("+/") or "/+" in pattern


def best(candidates: set[str], path: str, op: str) -> str | None:
    """The winning pattern, by trying all."""
    tries = [path]
    if op in {"list", "scan"}:
        path = path if path.endswith("/") or not path else path + "/"
        tries = [path, path.removesuffix("/")]
    for each in tries:
        if each in candidates and not is_wild(each):
            return each
    for each in tries:
        wild = [p for p in candidates if is_wild(p) and matches(p, each)]
        if wild:
            return max(wild, key=cmp_to_key(lower))
    return None


def granted(policies: list[list[tuple[str, set[str]]]], pattern: str) -> set[str]:
    found = [names for policy in policies for path, names in policy if path == pattern]
    together = set().union(*found)
    return {"deny"} if "deny" in together else together


@settings(max_examples=2000)
@given(POLICIES, st.lists(PATHS, min_size=1, max_size=6), st.sampled_from(OPERATIONS))
def test_a_decision_is_the_one_that_the_documented_priority_gives(
    policies: list[list[tuple[str, set[str]]]], paths: list[str], op: str
) -> None:
    acl = ACL.compile(documents(policies), NOW)
    candidates = {pattern for policy in policies for pattern, _ in policy}
    for path in (each.lstrip("/") for each in paths):
        pattern = best(candidates, path, op)
        names = set() if pattern is None else granted(policies, pattern)
        decision = acl.decide(op, path)
        assert (None if decision.rule is None else decision.rule.pattern) == pattern
        assert decision.allowed is (op in names)
        protected = acl.decide(op, path, sudo=True)
        assert protected.allowed is (op in names and "sudo" in names)


@settings(max_examples=500)
@given(POLICIES.map(documents).flatmap(lambda d: st.tuples(st.just(d), st.permutations(d))), PATHS)
def test_the_order_of_policies_does_not_matter(
    orders: tuple[list[Document], list[Document]], path: str
) -> None:
    one, other = (ACL.compile(order, NOW) for order in orders)
    for op in OPERATIONS:
        assert one.decide(op, path) == other.decide(op, path)
    assert one.capabilities(path) == other.capabilities(path)


@settings(max_examples=500)
@given(POLICIES, patterns(), PATHS)
def test_a_deny_is_never_outvoted(
    policies: list[list[tuple[str, set[str]]]], pattern: str, path: str
) -> None:
    """Adding a deny on the winning pattern refuses all; adding it elsewhere grants nothing new."""
    before = ACL.compile(documents(policies), NOW)
    after = ACL.compile(documents([*policies, [(pattern, {"deny"})]]), NOW)
    for op in OPERATIONS:
        decision = after.decide(op, path)
        if decision.rule is not None and decision.rule.pattern == pattern:
            assert not decision.allowed
        else:
            assert decision.allowed is before.decide(op, path).allowed


SETTINGS = st.sampled_from(
    [
        'allowed_parameters = { x = ["1", "2*"], y = [] }',
        'allowed_parameters = { X = [], "*" = [] }',
        'allowed_parameters = { x = ["3"] }',
        'denied_parameters = { x = ["2*"] }',
        "denied_parameters = { y = [] }",
        'required_parameters = ["x"]',
        'required_parameters = ["limit", "X"]',
        "min_wrapping_ttl = 5\nmax_wrapping_ttl = 50",
        "min_wrapping_ttl = 10",
        "max_wrapping_ttl = 20",
        "pagination_limit = 3",
        "pagination_limit = 7",
        'list_scan_response_keys_filter_path = "a/{{ .key }}"',
        'list_scan_response_keys_filter_path = "b/{{ .key }}"',
        'expiration = "5"',
        "",
    ]
)
VALUES = st.sampled_from(["1", "2", "22", "3", 3, None, ["1"]])
WORDS = st.sampled_from(["update", "create", "sudo", "read"])


def restricted(rules: list[tuple[str, str]]) -> list[Document]:
    return [
        parse(f"p{i}", f'path "a/" {{\ncapabilities = ["list", "{word}"]\n{more}\n}}')
        for i, (word, more) in enumerate(rules)
    ]


@settings(max_examples=1000)
@given(
    st.lists(st.tuples(WORDS, SETTINGS), max_size=5)
    .map(restricted)
    .flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))),
    st.dictionaries(st.sampled_from(["x", "X", "y", "z"]), VALUES),
    st.sampled_from([{}, {"limit": "max"}, {"limit": "5"}, {"limit": "-1"}]),
    st.none() | st.integers(0, 60),
)
def test_the_order_of_restrictions_does_not_matter(
    orders: tuple[list[Document], list[Document]],
    params: dict[str, object],
    query: dict[str, str],
    wrap_ttl: int | None,
) -> None:
    one, other = (ACL.compile(order, NOW) for order in orders)
    for op in OPERATIONS:
        first = one.decide(op, "a/", params=params, query=query, wrap_ttl=wrap_ttl)
        assert first == other.decide(op, "a/", params=params, query=query, wrap_ttl=wrap_ttl)
