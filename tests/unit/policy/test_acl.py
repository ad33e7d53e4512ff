"""Decisions: precedence, merging, parameters, wrapping, paging, and what they carry."""

from collections.abc import Mapping

import pytest

from custody.base.errors import PermissionDenied, PolicyDenied
from custody.policy import document
from custody.policy.acl import ACL
from custody.policy.decision import Decision, Denied, Reason

NOW = 1_800_000_000 * 10**9


def acl(*texts: str) -> ACL:
    """The ACL of policies p0, p1, …"""
    parsed = [document.parse(f"p{index}", text) for index, text in enumerate(texts)]
    return ACL.compile(parsed, NOW)


def of(granted: Mapping[str, str]) -> ACL:
    """An ACL from pattern → capabilities, parted by spaces."""
    return acl("\n".join(block(path, names) for path, names in granted.items()))


def block(path: str, names: str, more: str = "") -> str:
    quoted = ", ".join(f'"{name}"' for name in names.split())
    return f'path "{path}" {{\n capabilities = [{quoted}]\n {more}\n}}'


def winner(patterns: list[str], path: str, op: str = "read") -> str | None:
    rule = of(dict.fromkeys(patterns, "read list scan")).decide(op, path).rule
    return None if rule is None else rule.pattern


@pytest.mark.parametrize(
    ("patterns", "path", "expected"),
    [
        (["a/b", "a/*", "a/+"], "a/b", "a/b"),
        (["a/*", "a/b*"], "a/bc", "a/b*"),
        (["foo/a*", "foo/+"], "foo/ab", "foo/a*"),
        (["foo/bar/+/baz", "foo/+/bar/baz"], "foo/bar/bar/baz", "foo/bar/+/baz"),
        (["foo/+/bar", "foo/+/ba*"], "foo/x/bar", "foo/+/bar"),
        (["foo/+", "foo/*"], "foo/x", "foo/+"),
        (["foo/+/x/baz", "foo/+/+/baz"], "foo/y/x/baz", "foo/+/x/baz"),
        (["foo/+/bar/ba*", "foo/+/bar/b*"], "foo/x/bar/baz", "foo/+/bar/ba*"),
        (["+/a/+", "+/+/b"], "x/a/b", "+/a/+"),
        (["*"], "anything/at/all", "*"),
        (["+"], "one", "+"),
        (["+"], "one/two", None),
        (["a*b"], "a*b", "a*b"),
        (["a*b"], "axb", None),
        (["a+b"], "axb", None),
        (["a/+b"], "a/xb", None),
        (["a/+b"], "a/+b", "a/+b"),
        (["a/+/c"], "a//c", "a/+/c"),
        (["a/+/c*"], "a/b/cd/e/f", "a/+/c*"),
        (["a/+/*"], "a/b", None),
        (["a/+/*"], "a/b/", "a/+/*"),
        (["a/b"], "A/b", None),
        (["a/b"], "//a/b", "a/b"),
        (["/a/b"], "a/b", "a/b"),
        ([], "a", None),
    ],
)
def test_the_most_specific_pattern_wins(
    patterns: list[str], path: str, expected: str | None
) -> None:
    assert winner(patterns, path) == expected
    assert winner(list(reversed(patterns)), path) == expected


@pytest.mark.parametrize("op", ["list", "scan"])
@pytest.mark.parametrize(
    ("patterns", "path", "expected"),
    [
        (["a/b"], "a/b/", "a/b"),
        (["a/b/"], "a/b/", "a/b/"),
        (["a/b/"], "a/b", "a/b/"),
        (["a/b", "a/b/"], "a/b/", "a/b/"),
        (["a/b", "a/b/*"], "a/b/", "a/b"),
        (["a/b/*", "a/b*"], "a/b/", "a/b/*"),
        (["a/+"], "a/b/", "a/+"),
        (["a/+/"], "a/b/", "a/+/"),
        (["a/+", "a/*"], "a/b/", "a/*"),
    ],
)
def test_lists_are_tried_with_and_without_their_last_slash(
    patterns: list[str], path: str, expected: str, op: str
) -> None:
    assert winner(patterns, path, op) == expected


def test_other_operations_mind_the_last_slash() -> None:
    assert winner(["a/b"], "a/b/") is None
    assert winner(["a/b/"], "a/b") is None


@pytest.mark.parametrize("op", ["create", "read", "update", "delete", "list", "scan", "patch"])
def test_each_operation_needs_its_own_capability(op: str) -> None:
    every = {"create", "read", "update", "delete", "list", "scan", "patch", "sudo"}
    assert of({"a": op}).decide(op, "a").allowed
    refused = of({"a": " ".join(every - {op})}).decide(op, "a")
    assert not refused.allowed
    assert refused.reason is Reason.NO_CAPABILITY
    assert refused.rule is not None
    assert refused.rule.pattern == "a"


def test_an_unknown_operation_is_refused_and_help_is_not() -> None:
    assert of({"a": "read sudo"}).decide("revoke", "a").reason is Reason.UNKNOWN_OPERATION
    assert of({}).decide("help", "a").allowed


def test_only_the_winning_pattern_counts() -> None:
    rules = of({"secret/*": "read update", "secret/app": "read"})
    assert rules.decide("update", "secret/other").allowed
    assert not rules.decide("update", "secret/app").allowed


def test_a_deny_beats_everything_on_its_pattern() -> None:
    rules = acl(block("a/*", "read sudo"), block("a/*", "deny"))
    refused = rules.decide("read", "a/b", sudo=True)
    assert refused.reason is Reason.DENIED
    assert refused.rule is not None
    assert refused.rule.policy == "p1"
    assert rules.capabilities("a/b") == ["deny"]


def test_an_allowed_decision_names_the_rule_and_the_policies_that_grant() -> None:
    rules = acl(block("a", "list"), "\n" + block("a", "read"), block("a", "read update"))
    decision = rules.decide("read", "a")
    assert decision.allowed
    assert decision.granting_policies == ("p1", "p2")
    assert decision.rule is not None
    assert (decision.rule.policy, decision.rule.pattern, decision.rule.line) == ("p1", "a", 2)
    assert rules.capabilities("a") == ["list", "read", "update"]


def test_a_protected_path_needs_sudo_too() -> None:
    assert of({"a": "read"}).decide("read", "a", sudo=True).reason is Reason.NOT_SUDO
    granted = of({"a": "read sudo"}).decide("read", "a", sudo=True)
    assert granted.allowed
    assert granted.sudo


def test_root_may_do_everything() -> None:
    root = ACL.compile([document.Document("root", "", ())], NOW)
    decision = root.decide("delete", "any/thing", sudo=True)
    assert decision.allowed
    assert decision.root
    assert decision.granting_policies == ("root",)
    assert root.capabilities("x") == ["root"]
    assert root.decide("list", "x", query={"limit": "max"}).limit == 0
    assert root.decide("read", "x", query={"limit": "max"}).limit is None


def test_check_raises_with_the_decision_and_the_usual_words() -> None:
    rules = of({"a": "read"})
    assert rules.check("read", "a").allowed
    with pytest.raises(PolicyDenied) as caught:
        rules.check("update", "a")
    assert isinstance(caught.value, Denied)
    assert isinstance(caught.value, PermissionDenied)
    assert caught.value.decision.reason is Reason.NO_CAPABILITY
    assert list(caught.value.listed) == ["1 error occurred:\n\t* permission denied\n\n"]


def test_capabilities_are_sorted_and_deny_when_none() -> None:
    rules = of({"a": "update sudo create", "b": "", "c/": "list"})
    assert rules.capabilities("a") == ["create", "sudo", "update"]
    assert rules.capabilities("a/") == ["create", "sudo", "update"]
    assert rules.capabilities("b") == ["deny"]
    assert rules.capabilities("c") == ["deny"]
    assert rules.capabilities("c/") == ["list"]
    assert rules.capabilities("d") == ["deny"]


def test_what_has_ended_counts_no_more() -> None:
    ended, lasting = NOW // 10**9 - 1, NOW // 10**9 + 10
    rules = acl(
        block("a", "read", f'expiration = "{ended}"'),
        block("a", "update", f'expiration = "{lasting}"'),
        block("b", "deny", f'expiration = "{ended}"') + block("b", "read"),
    )
    assert rules.capabilities("a") == ["update"]
    assert rules.capabilities("b") == ["read"]
    assert rules.valid_until_ns == lasting * 10**9
    assert [rule.pattern for rule in rules.expired] == ["a", "b"]


def test_a_policy_that_has_ended_counts_no_more() -> None:
    text = block("a", "read")
    ended = document.parse("old", text, expires_ns=NOW - 1)
    assert ACL.compile([ended], NOW).capabilities("a") == ["deny"]
    ending = document.parse("new", text, expires_ns=NOW)
    assert ACL.compile([ending], NOW).capabilities("a") == ["read"]
    assert ACL.compile([ending], NOW).valid_until_ns == NOW


def test_a_templated_path_without_identity_is_dropped() -> None:
    rules = of({"identity/entity/id/{{identity.entity.id}}": "read"})
    assert rules.grants == ()


def update(more: str, params: Mapping[str, object] | None, op: str = "update") -> Decision:
    return acl(block("a", "create update patch delete", more)).decide(op, "a", params=params)


@pytest.mark.parametrize(
    ("more", "params", "reason"),
    [
        ('allowed_parameters = { ttl = ["1h"] }', {"ttl": "1h"}, None),
        ('allowed_parameters = { TTL = ["1h"] }', {"tTl": "1h"}, None),
        ('allowed_parameters = { ttl = ["1h"] }', {}, None),
        ('allowed_parameters = { ttl = ["1h"] }', {"ttl": "2h"}, Reason.ALLOWED_PARAMETER),
        ('allowed_parameters = { ttl = ["1h"] }', {"x": "1h"}, Reason.ALLOWED_PARAMETER),
        ("allowed_parameters = { ttl = [] }", {"ttl": "any"}, None),
        ('allowed_parameters = { "*" = [] }', {"x": "y"}, None),
        ('allowed_parameters = { "*" = [], ttl = ["1h"] }', {"x": 1, "ttl": "1h"}, None),
        (
            'allowed_parameters = { "*" = [], ttl = ["1h"] }',
            {"ttl": "2h"},
            Reason.ALLOWED_PARAMETER,
        ),
        ('allowed_parameters = { n = ["pre-*"] }', {"n": "pre-x"}, None),
        ('allowed_parameters = { n = ["*-post"] }', {"n": "x-post"}, None),
        ('allowed_parameters = { n = ["*mid*"] }', {"n": "a-mid-b"}, None),
        ('allowed_parameters = { n = ["*"] }', {"n": "x"}, Reason.ALLOWED_PARAMETER),
        ('allowed_parameters = { n = ["a*b"] }', {"n": "axb"}, Reason.ALLOWED_PARAMETER),
        ("allowed_parameters = { n = [5] }", {"n": 5}, None),
        ('allowed_parameters = { n = ["5"] }', {"n": 5}, None),
        ("allowed_parameters = { n = [true] }", {"n": True}, None),
        ("allowed_parameters = { n = [1] }", {"n": True}, Reason.ALLOWED_PARAMETER),
        ('allowed_parameters = { n = ["x"] }', {"n": ["x"]}, Reason.ALLOWED_PARAMETER),
        ('allowed_parameters = { n = [["x"]] }', {"n": ["x"]}, None),
        ('allowed_parameters = { n = ["x"] }', {"n": None}, Reason.ALLOWED_PARAMETER),
        ('denied_parameters = { ttl = ["1h"] }', {"ttl": "1h"}, Reason.DENIED_PARAMETER),
        ('denied_parameters = { ttl = ["1h"] }', {"TTL": "1h"}, Reason.DENIED_PARAMETER),
        ('denied_parameters = { ttl = ["1h"] }', {"ttl": "2h"}, None),
        ("denied_parameters = { ttl = [] }", {"ttl": "2h"}, Reason.DENIED_PARAMETER),
        ('denied_parameters = { "*" = [] }', {"x": "2h"}, Reason.DENIED_PARAMETER),
        ('denied_parameters = { "*" = [] }', {}, None),
        (
            "denied_parameters = { x = [] }\nallowed_parameters = { x = [] }",
            {"x": 1},
            Reason.DENIED_PARAMETER,
        ),
        ('required_parameters = ["x"]', {"x": 1}, None),
        ('required_parameters = ["X"]', {"x": 1}, None),
        ('required_parameters = ["secretName"]', {"secretName": 1}, None),
        ('required_parameters = ["x"]', {"X": 1}, Reason.REQUIRED_PARAMETER),
        ('required_parameters = ["x"]', None, Reason.REQUIRED_PARAMETER),
        (
            'required_parameters = ["x"]\ndenied_parameters = { "*" = [] }',
            {"y": 1},
            Reason.REQUIRED_PARAMETER,
        ),
    ],
)
def test_parameters_are_held_against_the_rule(
    more: str, params: dict[str, object] | None, reason: Reason | None
) -> None:
    for op in ("create", "update", "patch"):
        decision = update(more, params, op)
        assert decision.allowed is (reason is None)
        assert decision.reason is (reason or Reason.GRANTED)
    assert update(more, params, "delete").allowed


def test_a_read_is_held_against_its_query() -> None:
    rules = acl(block("a", "read", 'allowed_parameters = { version = ["1"] }'))
    assert rules.decide("read", "a", query={"version": "1"}, params={"x": 1}).allowed
    assert not rules.decide("read", "a", query={"version": "2"}).allowed


@pytest.mark.parametrize(
    ("more", "wrap_ttl", "allowed"),
    [
        ("min_wrapping_ttl = 60", None, False),
        ("min_wrapping_ttl = 60", 0, False),
        ("min_wrapping_ttl = 60", 59, False),
        ("min_wrapping_ttl = 60", 60, True),
        ("max_wrapping_ttl = 60", None, False),
        ("max_wrapping_ttl = 60", 60, True),
        ("max_wrapping_ttl = 60", 61, False),
        ('min_wrapping_ttl = "1m"\nmax_wrapping_ttl = "2m"', 90, True),
        ('max_wrapping_ttl = "500ms"', 1, False),
    ],
)
def test_wrapping_outside_its_bounds_is_refused(
    more: str, wrap_ttl: int | None, *, allowed: bool
) -> None:
    decision = acl(block("a", "read", more)).decide("read", "a", wrap_ttl=wrap_ttl)
    assert decision.allowed is allowed
    assert decision.reason is (Reason.GRANTED if allowed else Reason.WRAPPING)


def test_of_two_policies_the_lower_wrapping_bounds_count() -> None:
    rules = acl(
        block("a", "read", "min_wrapping_ttl = 60\nmax_wrapping_ttl = 600"),
        block("a", "read", "min_wrapping_ttl = 30\nmax_wrapping_ttl = 300"),
        block("a", "read"),
    )
    allowed = [ttl for ttl in (29, 30, 300, 301) if rules.decide("read", "a", wrap_ttl=ttl).allowed]
    assert allowed == [30, 300]
    crossed = acl(
        block("a", "read", "min_wrapping_ttl = 60"), block("a", "read", "max_wrapping_ttl = 30")
    )
    assert not any(crossed.decide("read", "a", wrap_ttl=ttl).allowed for ttl in (30, 45, 60))


def test_parameters_of_two_policies_are_put_together() -> None:
    rules = acl(
        block("a", "update", 'allowed_parameters = { x = ["1"], y = ["1"] }'),
        block("a", "update", 'allowed_parameters = { x = ["2"], y = [] }'),
        block("a", "update", 'required_parameters = ["x"]'),
    )
    assert rules.decide("update", "a", params={"x": "1"}).allowed
    assert rules.decide("update", "a", params={"x": "2", "y": "9"}).allowed
    assert not rules.decide("update", "a", params={"x": "3"}).allowed
    assert not rules.decide("update", "a", params={"y": "1"}).allowed


@pytest.mark.parametrize(
    ("more", "query", "allowed", "limit"),
    [
        ("pagination_limit = 10", {}, True, 10),
        ("pagination_limit = 10", {"limit": "5"}, True, None),
        ("pagination_limit = 10", {"limit": "10"}, True, None),
        ("pagination_limit = 10", {"limit": "11"}, False, None),
        ("pagination_limit = 10", {"limit": "-1"}, False, None),
        ("pagination_limit = 10", {"limit": "0"}, True, 10),
        ("pagination_limit = 10", {"limit": ""}, True, 10),
        ("pagination_limit = 10", {"limit": "max"}, True, 10),
        ("pagination_limit = 10", {"limit": "x"}, False, None),
        ("pagination_limit = 10", {"limit": "9" * 5000}, False, None),
        ('pagination_limit = 10\nrequired_parameters = ["Limit"]', {}, False, None),
        ('pagination_limit = 10\nrequired_parameters = ["limit"]', {"limit": "max"}, True, 10),
        ("", {"limit": "max"}, True, 0),
        ("allowed_parameters = { x = [] }", {"limit": "max"}, True, 0),
        ("", {"limit": "x"}, True, None),
        ("", {}, True, None),
    ],
)
@pytest.mark.parametrize("op", ["list", "scan"])
def test_pages_are_held_to_the_limit(
    op: str, more: str, query: dict[str, str], *, allowed: bool, limit: int | None
) -> None:
    decision = acl(block("a/", "list scan", more)).decide(op, "a/", query=query)
    assert (decision.allowed, decision.limit) == (allowed, limit)


def test_the_lower_page_limit_counts() -> None:
    rules = acl(
        block("a/", "list", "pagination_limit = 10"), block("a/", "list", "pagination_limit = 5")
    )
    assert rules.decide("list", "a/").limit == 5


def test_keys_that_could_not_be_read_are_filtered_out() -> None:
    filtered = 'list_scan_response_keys_filter_path = "secret/{{ .key }}"'
    rules = acl(
        block("secret/", "list", filtered),
        block("secret/a*", "read list"),
        block("secret/b", "read", 'required_parameters = ["x"]'),
        block("secret/az", "deny"),
    )
    decision = rules.decide("list", "secret/")
    keys = ["a", "az", "b", "c", "dir/", "adir/"]
    assert rules.filter_keys(decision, "secret/", keys) == ["a", "b", "adir/"]
    unfiltered = of({"x/": "list"})
    assert unfiltered.filter_keys(unfiltered.decide("list", "x/"), "x/", keys) == keys


@pytest.mark.parametrize(
    ("pattern", "mount", "expected"),
    [
        ("secret/data/a", "secret/", True),
        ("secret", "secret/", True),
        ("secret/*", "secret/", True),
        ("sec*", "secret/", True),
        ("*", "secret/", True),
        ("+/a", "secret/", True),
        ("+", "secret/", True),
        ("team/+/a", "team/kv/", True),
        ("team/+", "team/kv/deep/", False),
        ("a/+/a*", "b/x/y/", False),
        ("other/*", "secret/", False),
        ("secrets/a", "secret/", False),
        ("secret/+/x", "secrets/", False),
    ],
)
def test_a_mount_is_touched_by_what_reaches_below_it(
    pattern: str, mount: str, *, expected: bool
) -> None:
    assert of({pattern: "read"}).touches(mount) is expected
    assert not of({pattern: "deny"}).touches(mount)
    assert not of({pattern: ""}).touches(mount)
