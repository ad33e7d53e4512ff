from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.base.errors import BadRequest
from custody.token.asked import Asked, Plan, Way
from custody.token.entry import TokenEntry
from custody.token.lifetime import Limits
from custody.token.plan import clean_policies, plan

LIMITS = Limits(default_ttl=2_764_800, max_ttl=2_764_800)
ROOT = TokenEntry(accessor="a", accessor_hash=b"a", policies=("root",))
WEB = TokenEntry(
    accessor="w", accessor_hash=b"w", policies=("default", "web"), ttl=60, entity_id="e1"
)
SUDO = Way("auth/token/create", sudo=True)
PLAIN = Way("auth/token/create", sudo=False)


def planned(caller: TokenEntry, way: Way = PLAIN, **asked: Any) -> Plan:
    return plan(caller, Asked(**asked), way, LIMITS)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"no_parent": True}, "root or sudo privileges required to create orphan token"),
        ({"period": "1h"}, "root or sudo privileges required to create periodic token"),
        ({"id": "x"}, "root or sudo privileges required to specify token id"),
        ({"policies": ("other",)}, "child policies must be subset of parent"),
        ({"policies": ("root",)}, "child policies must be subset of parent"),
        ({"ttl": "-1s"}, "ttl must be positive"),
        ({"ttl": "xx"}, 'time: invalid duration "xx"'),
        ({"period": -1}, "period must be positive"),
        ({"explicit_max_ttl": "-5m"}, "explicit_max_ttl must be positive"),
        ({"num_uses": -1}, "number of uses cannot be negative"),
        ({"num_uses": 2**31}, "number of uses cannot be more than 2147483647"),
        ({"type": "odd"}, "invalid 'token_type' value"),
        (
            {"entity_alias": "x"},
            "'entity_alias' is only allowed in combination with token role",
        ),
    ],
)
def test_an_ordinary_token_is_told_what_it_may_not_make(asked: dict[str, Any], text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        planned(WEB, **asked)
    assert caught.value.messages == (text,)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"policies": ("root",)}, "root tokens may not be created without parent token being root"),
        ({"id": "a.b"}, "custom token ID cannot have a '.' in the value"),
        ({"id": "x" * 513}, "custom token ID cannot have more than 512 characters"),
        ({"policies": ("response-wrapping",)}, 'cannot assign policy "response-wrapping"'),
        ({"policies": ("p" * 257,)}, "policy names may have at most 256 bytes"),
    ],
)
def test_sudo_does_not_open_everything(asked: dict[str, Any], text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        planned(WEB, SUDO, **asked)
    assert caught.value.messages == (text,)


def test_a_token_of_limited_uses_makes_no_children() -> None:
    for uses in (1, -1):
        limited = msgspec.structs.replace(WEB, num_uses=uses)
        with pytest.raises(BadRequest, match="restricted use token cannot generate child tokens"):
            planned(limited)


def test_without_policies_those_of_the_parent_are_copied() -> None:
    made = planned(WEB)
    assert made.spec.policies == ("default", "web")
    assert not made.orphan
    assert made.spec.entity_id == "e1"
    assert made.spec.ttl == LIMITS.default_ttl
    assert made.spec.renewable


def test_default_is_added_only_if_the_parent_has_it() -> None:
    assert planned(WEB, policies=(" WEB ", "web")).spec.policies == ("default", "web")
    bare = msgspec.structs.replace(WEB, policies=("web",))
    assert planned(bare, policies=("web",)).spec.policies == ("web",)


def test_default_is_added_for_sudo_unless_refused() -> None:
    assert planned(WEB, SUDO, policies=("other",)).spec.policies == ("default", "other")
    refused = planned(WEB, SUDO, policies=("other", "default"), no_default_policy=True)
    assert refused.spec.policies == ("other",)


def test_a_root_token_makes_root_tokens_that_never_expire_and_cannot_be_renewed() -> None:
    made = planned(ROOT, SUDO)
    assert made.spec.policies == ("root",)
    assert made.spec.ttl == 0
    assert not made.spec.renewable


def test_root_swallows_other_policies() -> None:
    assert planned(ROOT, SUDO, policies=("a", "Root")).spec.policies == ("root",)


def test_an_expiring_root_token_makes_no_lasting_one() -> None:
    expiring = msgspec.structs.replace(ROOT, ttl=60)
    with pytest.raises(BadRequest) as caught:
        planned(expiring, SUDO)
    assert caught.value.messages == ("expiring root tokens cannot create non-expiring root tokens",)
    assert planned(expiring, SUDO, ttl="30s").spec.ttl == 30


def test_a_root_token_is_bound_by_its_explicit_maximum() -> None:
    assert planned(ROOT, SUDO, explicit_max_ttl="1h").spec.ttl == 3600


def test_an_orphan_leaves_the_entity_behind() -> None:
    for way, asked in (
        (Way("p", sudo=False, orphan=True), Asked()),
        (SUDO, Asked(no_parent=True)),
    ):
        made = plan(WEB, asked, way, LIMITS)
        assert made.orphan
        assert made.spec.entity_id == ""


def test_a_period_becomes_the_ttl() -> None:
    made = planned(WEB, SUDO, period=90)
    assert (made.spec.period, made.spec.ttl) == (90, 90)


def test_a_chosen_id_is_warned_about() -> None:
    made = planned(ROOT, SUDO, id="mine")
    assert made.id == "mine"
    assert any("custom ID" in warning for warning in made.warnings)


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [("", "token"), ("ci", "token-ci"), ("a b/c!", "token-a-b-c"), ("é", "token-")],
)
def test_a_display_name_is_made_safe(wanted: str, shown: str) -> None:
    assert planned(WEB, display_name=wanted).spec.display_name == shown


@given(st.lists(st.text(max_size=8), max_size=6), st.booleans())
def test_cleaning_policies_twice_changes_nothing(names: list[str], add: bool) -> None:  # noqa: FBT001 given by hypothesis
    once = clean_policies(names, add_default=add)
    assert clean_policies(once, add_default=add) == once
    assert list(once) == sorted(set(once))
    assert "root" not in once or once == ("root",)
