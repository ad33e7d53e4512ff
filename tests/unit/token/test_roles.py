"""Token roles: what may be stored, and what a role makes of a request for a token."""

import fnmatch
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from custody.base.errors import BadRequest
from custody.testing.tables import MemoryTables
from custody.token import roles
from custody.token.asked import Asked, Plan, Way
from custody.token.entry import TokenEntry
from custody.token.lifetime import Limits
from custody.token.plan import plan
from custody.token.roles import TokenRole

LIMITS = Limits(default_ttl=768 * 3600, max_ttl=768 * 3600)
ROOT = TokenEntry(accessor="a", accessor_hash=b"a", policies=("root",))
MAKER = TokenEntry(accessor="m", accessor_hash=b"m", policies=("default", "maker"), ttl=60)
PATH = "auth/token/create/r"
_FIXED = "'token_type' cannot be 'batch' when role is set to generate"
_EITHER = "error parsing role fields: 'token_type' cannot be 'batch' or 'default_batch' when set"


def made(role: dict[str, Any], caller: TokenEntry = ROOT, **asked: Any) -> Plan:
    way = Way(PATH, sudo=caller.root, role=TokenRole(name="r", **role), remote="10.0.0.9")
    return plan(caller, Asked(**asked), way, LIMITS)


@pytest.mark.parametrize(
    ("role", "asked", "policies"),
    [
        ({"allowed_policies": ("a", "b")}, {}, ("a", "b", "default")),
        ({"allowed_policies": ("a", "b")}, {"policies": ("a",)}, ("a", "default")),
        (
            {"allowed_policies": ("a", "b")},
            {"policies": ("a",), "no_default_policy": True},
            ("a",),
        ),
        ({"allowed_policies": ("a", "b"), "no_default_policy": True}, {}, ("a", "b")),
        ({"allowed_policies_glob": ("g-*",)}, {}, ("default",)),
        ({"allowed_policies_glob": ("g-*",)}, {"policies": ("g-1",)}, ("default", "g-1")),
        ({"allowed_policies": ("a",), "allowed_policies_glob": ("g-*",)}, {}, ("a", "default")),
        ({"disallowed_policies": ("admin",)}, {"policies": ("x",)}, ("default", "x")),
        ({"disallowed_policies": ("default",)}, {"policies": ("x",)}, ("x",)),
        ({"disallowed_policies_glob": ("d*",)}, {"policies": ("x",)}, ("x",)),
        ({"disallowed_policies": ("admin",)}, {}, ("root",)),
        ({"allowed_policies": ("root",)}, {}, ("root",)),
        ({}, {}, ("root",)),
        ({}, {"policies": ("x",)}, ("default", "x")),
        ({"no_default_policy": True}, {"policies": ("x",)}, ("x",)),
    ],
)
def test_a_role_says_which_policies_a_token_has(
    role: dict[str, Any], asked: dict[str, Any], policies: tuple[str, ...]
) -> None:
    assert made(role, **asked).spec.policies == policies


@pytest.mark.parametrize(
    ("role", "asked", "text"),
    [
        (
            {"allowed_policies": ("a", "b")},
            {"policies": ("zz",)},
            ('token policies (["default" "zz"]) must be subset of the role\'s allowed policies '
            '(["a" "b" "default"]) or glob policies ([])'),
        ),
        (
            {"allowed_policies": ("a", "b"), "no_default_policy": True},
            {"policies": ("a", "default")},
            ('token policies (["a" "default"]) must be subset of the role\'s allowed policies '
            '(["a" "b"]) or glob policies ([])'),
        ),
        (
            {"allowed_policies": ("a",), "allowed_policies_glob": ("g-*",)},
            {"policies": ("g-1", "a", "q")},
            ('token policies (["a" "default" "g-1" "q"]) must be subset of the role\'s allowed '
            'policies (["a" "default"]) or glob policies (["g-*"])'),
        ),
        (
            {"allowed_policies": ("a",)},
            {"policies": ("root",)},
            ('token policies (["root"]) must be subset of the role\'s allowed policies '
            '(["a" "default"]) or glob policies ([])'),
        ),
        (
            {"disallowed_policies": ("admin",)},
            {"policies": ("admin",)},
            'token policy "admin" is disallowed by this role',
        ),
        (
            {"disallowed_policies_glob": ("ad*",)},
            {"policies": ("admin",)},
            'token policy "admin" is disallowed by this role',
        ),
        ({}, {"entity_alias": "e"}, "invalid 'entity_alias' value"),
        (
            {"allowed_entity_aliases": ("e1",)},
            {"entity_alias": "e2"},
            "invalid 'entity_alias' value",
        ),
        ({"allowed_policies": ("response-wrapping",)}, {},
         'cannot assign policy "response-wrapping"'),
        ({"type": "default-batch"}, {}, "batch tokens cannot be root tokens"),
        ({"type": "default-batch"}, {"policies": ("x",), "period": "1h"},
         'batch tokens cannot have "period" set'),
        ({}, {"policies": ("x",), "type": "batch", "num_uses": 1},
         'batch tokens cannot have "num_uses" set'),
        ({"explicit_max_ttl": 60}, {"policies": ("x",), "type": "batch"},
         'batch tokens cannot have "explicit_max_ttl" set'),
        ({}, {"type": "odd"}, "invalid 'token_type' value"),
    ],
)  # fmt: skip
def test_what_a_role_does_not_allow_is_named(
    role: dict[str, Any], asked: dict[str, Any], text: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        made(role, **asked)
    assert caught.value.messages == (text,)


@pytest.mark.parametrize(
    ("role", "asked", "text"),
    [
        ({}, {"policies": ("other",)}, "child policies must be subset of parent"),
        (
            {"allowed_policies": ("a", "root")},
            {"policies": ("root",)},
            "root tokens may not be created without parent token being root",
        ),
        (
            {"disallowed_policies": ("q",)},
            {"policies": ("root",)},
            "root tokens may not be created without parent token being root",
        ),
        (
            {"allowed_policies_glob": ("*",)},
            {"policies": ("root",)},
            "root tokens may not be created without parent token being root",
        ),
        ({"period": 60}, {"period": "1h"},
         "root or sudo privileges required to create periodic token"),
        ({}, {"id": "xyz"}, "root or sudo privileges required to specify token id"),
        ({"disallowed_policies": ("maker",)}, {},
         'token policy "maker" is disallowed by this role'),
    ],
)  # fmt: skip
def test_a_role_gives_nobody_the_power_of_root(
    role: dict[str, Any], asked: dict[str, Any], text: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        made(role, MAKER, **asked)
    assert caught.value.messages == (text,)


def test_who_may_use_a_role_gets_what_it_allows_and_not_what_they_have_themselves() -> None:
    assert made({"allowed_policies": ("a",)}, MAKER).spec.policies == ("a", "default")
    other = made({"disallowed_policies": ("q",)}, MAKER, policies=("z",))
    assert other.spec.policies == ("default", "z")


def test_a_role_alone_says_whether_its_tokens_are_orphans() -> None:
    assert not made({}, MAKER, no_parent=True).orphan
    assert made({"orphan": True}, MAKER).orphan


@pytest.mark.parametrize(
    ("of_role", "asked", "kind"),
    [
        ("service", "batch", "service"),
        ("batch", "service", "batch"),
        ("default-service", "", "service"),
        ("default-service", "batch", "batch"),
        ("default-batch", "", "batch"),
        ("default-batch", "service", "service"),
    ],
)
def test_a_role_says_or_suggests_the_type(of_role: str, asked: str, kind: str) -> None:
    spec = made({"type": of_role}, policies=("x",), type=asked).spec
    assert spec.type == kind
    assert spec.renewable is (kind == "service")


def test_of_two_bounds_the_lesser_counts_and_is_told() -> None:
    both = made(
        {"explicit_max_ttl": 3600, "period": 900, "num_uses": 3},
        policies=("x",),
        explicit_max_ttl="3h",
        period="10m",
        num_uses=5,
    )
    assert both.warnings == (
        (
            "Explicit max TTL specified both during creation call and in role; "
            "using the lesser value of 3600 seconds"
        ),
        (
            "Period specified both during creation call and in role; "
            "using the lesser value of 600 seconds"
        ),
    )
    spec = both.spec
    assert (spec.explicit_max_ttl, spec.period, spec.ttl, spec.num_uses) == (10800, 600, 600, 3)
    assert made({"num_uses": 3}, policies=("x",), num_uses=1).spec.num_uses == 1
    assert made({"num_uses": 3}, policies=("x",)).spec.num_uses == 3


def test_what_only_the_role_says_is_not_kept_by_the_token() -> None:
    spec = made({"explicit_max_ttl": 3600, "period": 900}, policies=("x",)).spec
    assert (spec.ttl, spec.explicit_max_ttl, spec.period, spec.role) == (900, 0, 0, "r")
    longest = made({"explicit_max_ttl": 60}, policies=("x",))
    assert longest.spec.ttl == 60


def test_networks_bind_all_but_a_root_token_that_never_expires() -> None:
    bound = {"bound_cidrs": ("10.0.0.0/8",)}
    assert made(bound, policies=("x",)).spec.bound_cidrs == ("10.0.0.0/8",)
    assert made(bound, policies=("root",)).spec.bound_cidrs == ()
    assert made(bound, policies=("root",), ttl="1h").spec.bound_cidrs == ("10.0.0.0/8",)
    strict = made({**bound, "strictly_bind_ip": True}, policies=("x",))
    assert strict.spec.bound_cidrs == ("10.0.0.9",)


def test_no_token_is_bound_to_the_address_of_a_caller_who_has_none() -> None:
    role = TokenRole(name="r", strictly_bind_ip=True)
    by_socket = Way(path="auth/token/create/r", sudo=True, role=role, remote="")
    with pytest.raises(BadRequest, match="who asks by a socket has none"):
        plan(ROOT, Asked(policies=("x",)), by_socket, LIMITS)
    made_ = plan(ROOT, Asked(policies=("root",)), by_socket, LIMITS)  # it is bound to nothing
    assert made_.spec.bound_cidrs == ()


def test_an_allowed_alias_is_taken_and_its_lack_of_effect_told() -> None:
    plan_ = made({"allowed_entity_aliases": ("e*",)}, policies=("x",), entity_alias="E2")
    assert any("entity alias" in warning for warning in plan_.warnings)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"type": "odd"}, "invalid 'token_type' value \"odd\""),
        ({"num_uses": -1}, "error parsing role fields: 'token_num_uses' cannot be negative"),
        (
            {"type": "batch"},
            f"{_FIXED} non-orphan tokens",
        ),
        (
            {"type": "batch", "orphan": True},
            f"{_FIXED} renewable tokens",
        ),
        (
            {"type": "batch", "orphan": True, "renewable": False, "explicit_max_ttl": 1},
            (f"{_FIXED} tokens with an explicit max TTL"),
        ),
        (
            {"type": "default-batch", "period": 1},
            (f"{_EITHER} to generate periodic tokens"),
        ),
        (
            {"type": "batch", "num_uses": 1},
            (f"{_EITHER} to generate tokens with limited use count"),
        ),
        *(
            (
                {"path_suffix": suffix},
                "given role path suffix contains invalid characters; must match \\w[\\w-.]+\\w",
            )
            for suffix in ("a", "a/b", "../x", "a b", "ä-b", "ab\n")
        ),
    ],
)
def test_a_role_whose_tokens_could_not_be_is_refused(fields: dict[str, Any], text: str) -> None:
    with MemoryTables().transaction() as txn, pytest.raises(BadRequest) as caught:
        roles.write(txn, TokenRole(name="r", **fields))
    assert caught.value.messages == (text,)


def test_roles_are_kept_listed_in_pages_and_removed() -> None:
    tables = MemoryTables()
    with tables.transaction() as txn:
        for name in ("b", "a", "c"):
            roles.write(txn, TokenRole(name=name, num_uses=3))
        roles.write(txn, replace(roles.read(txn, "a") or TokenRole(name="a"), orphan=True))
        roles.delete(txn, "c")
        roles.delete(txn, "c")
    with tables.snapshot() as rows:
        assert roles.read(rows, "a") == TokenRole(name="a", num_uses=3, orphan=True, schema=1)
        assert roles.read(rows, "c") is None
        assert roles.names(rows, "", 10) == ["a", "b"]
        assert roles.names(rows, "a", 10) == ["b"]
        assert roles.names(rows, "", 1) == ["a"]


@given(
    st.text(alphabet="ab*", max_size=7),
    st.text(alphabet="ab", max_size=8),
)
def test_a_star_stands_for_anything(pattern: str, text: str) -> None:
    assert roles.matches([pattern], text) == fnmatch.fnmatchcase(text, pattern)
