from typing import Any, NotRequired, TypedDict

import pytest
from tests.conformance.facts import Unlike, borne_out, promised

from custody.plugin.shape import NULL, Keys, Member, arms, members, within


class Inner(TypedDict):
    """Something inside."""

    flag: bool


class Outer(Inner):
    """Something around it."""

    inner: NotRequired[Inner | None]


def test_the_fields_of_a_shape_are_its_own_and_those_that_it_builds_upon() -> None:
    assert members(Outer) == {
        "flag": Member(bool, always=True),
        "inner": Member(Inner | None, always=False),
    }
    assert members(dict[str, Inner]) == {}


def test_a_union_has_arms_and_a_list_or_object_something_within() -> None:
    assert arms(Inner | None) == (Inner, NULL)
    assert arms(int) == (int,)
    assert (within(dict[str, Inner]), within(list[int]), within(Keys)) == (Inner, int, None)


def test_all_that_a_shape_promises_is_borne_out_by_answers_that_differ() -> None:
    all_there = {"flag": True, "inner": {"flag": False}}
    found = [borne_out(one, Outer) for one in (all_there, {"flag": True, "inner": None})]
    assert promised(Outer).difference(*found) == {".inner left out"}
    assert promised(Outer).difference(*found, borne_out({"flag": True}, Outer)) == set()


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ({"flag": True, "more": 1}, Inner),
        ({}, Inner),
        ({"flag": 1}, Inner),
        ({"flag": None}, Inner),
        (True, int),
        ("1", int),
        ([1, "a"], list[int]),
        ({"a": []}, dict[str, Inner]),
        (None, dict[str, Any]),
        ("x", int | None),
    ],
)
def test_a_value_of_another_shape_is_noticed(value: Any, shape: Any) -> None:
    with pytest.raises(Unlike):
        borne_out(value, shape)
