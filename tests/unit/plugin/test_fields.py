"""Fields are read as leniently as Vault reads them, and a mistake names its field."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.base.errors import BadRequest
from custody.plugin.fields import Duration, Fields, Pairs, Strings, kind_of


class Body(Fields, frozen=True, kw_only=True):
    text: str = "t"
    number: int = 7
    flag: bool = False
    ratio: float = 0.5
    ttl: Duration | None = None
    names: Strings = Strings()
    pairs: Pairs = Pairs()
    options: Mapping[str, Any] = {}
    data: dict[str, Any] | None = None
    anything: Any = None


class Strict(Fields, frozen=True, kw_only=True):
    first: str
    second: int
    third: int = 3


def value_of(name: str, value: object) -> Any:
    body, unknown = Body.read({name: value})
    assert unknown == []
    return getattr(body, name)


def refusal(name: str, value: object) -> str:
    with pytest.raises(BadRequest) as refused:
        Body.read({name: value})
    (text,) = refused.value.listed
    assert f'error converting input for field "{name}": ' in text
    assert len(text) < 250
    return text


def test_absent_and_null_fields_have_their_defaults() -> None:
    assert Body.read({}) == (Body(), [])
    assert Body.read(dict.fromkeys(Body.__struct_fields__)) == (Body(), [])


def test_unknown_names_are_told_in_order() -> None:
    assert Body.read({"zz": 1, "text": "x", "aa": None, "Text": 2})[1] == ["Text", "aa", "zz"]


def test_every_missing_field_is_named() -> None:
    with pytest.raises(BadRequest) as refused:
        Strict.read({"third": 1, "second": None})
    assert refused.value.listed == (
        "missing required field 'first'",
        "missing required field 'second'",
    )
    assert Strict.required() == ("first", "second")


@pytest.mark.parametrize(
    ("value", "read"),
    [("x", "x"), ("", ""), (5, "5"), (1.5, "1.5"), (True, "1"), (False, "0"), (-1, "-1")],
)
def test_text_is_text_or_a_scalar(value: object, read: str) -> None:
    assert value_of("text", value) == read


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (5, 5), ("5", 5), (" 5 ", 5), ("-5", -5), ("+5", 5), ("007", 7), ("", 0), (5.0, 5),
        (True, 1), (False, 0), (2**63 - 1, 2**63 - 1), (str(-(2**63)), -(2**63)),
    ],
)  # fmt: skip
def test_an_integer_is_whole_and_has_64_bits(value: object, read: int) -> None:
    number = value_of("number", value)
    assert (number, type(number)) == (read, int)


@pytest.mark.parametrize(
    "value",
    [
        "x", "1.5", "1_000", "0x10", "\N{FULLWIDTH DIGIT ONE}", "1e3", " ", "--1",
        "1" * 5000, 1.5, 1e308, float("inf"), float("nan"), 2**63, -(2**63) - 1, 10**4000,
        [1], {"a": 1},
    ],
)  # fmt: skip
def test_anything_else_is_no_integer(value: object) -> None:
    assert refusal("number", value)


def test_a_number_too_large_is_told_so() -> None:
    assert refusal("number", 2**63).endswith("value out of range")
    assert refusal("number", "99999999999999999999").endswith("value out of range")


@pytest.mark.parametrize("value", [True, 1, 2.0, "1", "t", "T", "true", "TRUE", "True"])
def test_true_is_gos(value: object) -> None:
    assert value_of("flag", value) is True


@pytest.mark.parametrize("value", [False, 0, 0.0, "0", "f", "F", "false", "FALSE", "False", ""])
def test_false_is_gos(value: object) -> None:
    assert value_of("flag", value) is False


@pytest.mark.parametrize("value", ["yes", "tRUE", " true", [], {}, [True]])
def test_anything_else_is_neither(value: object) -> None:
    assert refusal("flag", value)


@pytest.mark.parametrize(("value", "read"), [(1, 1.0), (1.5, 1.5), ("1.5", 1.5), ("1e3", 1000.0)])
def test_a_ratio_is_a_finite_number(value: object, read: float) -> None:
    assert value_of("ratio", value) == read


@pytest.mark.parametrize("value", ["nan", "inf", "-Infinity", "x", "", "1" * 400, 10**400, [], {}])
def test_anything_else_is_no_ratio(value: object) -> None:
    assert refusal("ratio", value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (90, 90), ("90", 90), ("90s", 90), ("1h30m", 5400), ("1.5h", 5400), ("50d", 4_320_000),
        ("-5", -5), ("", 0), (1.9, 1), ("1500ms", 1), ("-1500ms", -1),
    ],
)  # fmt: skip
def test_a_duration_is_whole_seconds(value: object, seconds: int) -> None:
    assert value_of("ttl", value) == seconds
    assert type(value_of("ttl", value)) is int


@pytest.mark.parametrize(
    "value",
    [
        "abc", "1x", "1h 30m", "h", "1_0", "\N{FULLWIDTH DIGIT ONE}", "9" * 30,
        "1" * 5000, "1e3", "nan",
        True, 2**63, -(2**70), 10**4000, 1e300, float("nan"), float("inf"), [1], {"a": "secret"},
    ],
)  # fmt: skip
def test_anything_else_is_no_duration(value: object) -> None:
    text = refusal("ttl", value)
    assert "time: invalid duration" in text
    assert "secret" not in text


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("a,b", ["a", "b"]), (" a , b ", ["a", "b"]), ("", []), (["a", "b,c"], ["a", "b,c"]),
        ([1, True, 1.5], ["1", "1", "1.5"]), (5, ["5"]), ([], []),
    ],
)  # fmt: skip
def test_a_list_is_a_list_or_text_with_commas(value: object, read: list[str]) -> None:
    assert value_of("names", value) == read


@pytest.mark.parametrize("value", [{"a": 1}, [None], [["a"]], [{"a": 1}]])
def test_anything_else_is_no_list(value: object) -> None:
    assert refusal("names", value)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({"a": "b"}, {"a": "b"}), ({"a": 1, "b": True}, {"a": "1", "b": "1"}),
        (["a=b", "c=d=e"], {"a": "b", "c": "d=e"}), ("a=b,c=d", {"a": "b", "c": "d"}),
        ("", {}), ({}, {}), ([], {}),
    ],
)  # fmt: skip
def test_pairs_are_a_map_or_a_list(value: object, read: dict[str, str]) -> None:
    assert value_of("pairs", value) == read


@pytest.mark.parametrize("value", ["a", ["a"], [1], {"a": {"b": 1}}, {"a": None}, 5, True])
def test_anything_else_is_no_pairs(value: object) -> None:
    assert refusal("pairs", value)


@pytest.mark.parametrize("name", ["options", "data"])
def test_an_object_stays_as_it_is(name: str) -> None:
    value = {"a": [1, {"b": None}]}
    assert value_of(name, value) is value
    for wrong in ("a", [1], 5, True):
        assert refusal(name, wrong)


def test_anything_is_anything() -> None:
    for value in ("a", [1], {"b": 1}, 5, True):
        assert value_of("anything", value) is value


def test_a_refusal_does_not_repeat_the_value() -> None:
    for name in ("number", "flag", "ratio", "names", "pairs", "options"):
        with pytest.raises(BadRequest) as refused:
            Body.read({name: ["planted"] if name != "names" else {"planted": 1}})
        assert "planted" not in str(refused.value)


@pytest.mark.parametrize(
    ("hint", "kind"),
    [
        (str, "string"), (int, "int"), (bool, "bool"), (float, "float"), (Strings, "slice"),
        (Duration, "duration (sec)"), (Duration | None, "duration (sec)"), (Pairs, "keypair"),
        (dict[str, Any] | None, "map"), (Mapping[str, Any], "map"), (Any, "any"),
    ],
)  # fmt: skip
def test_a_kind_has_vaults_name(hint: Any, kind: str) -> None:
    assert kind_of(hint) == kind


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(Body.__struct_fields__), _json))
def test_no_value_is_an_internal_error(raw: dict[str, Any]) -> None:
    try:
        body, _ = Body.read(raw)
    except BadRequest:
        return
    assert -(2**63) <= body.number < 2**63
    assert all(isinstance(name, str) for name in body.names)


def test_fields_show_nothing_of_what_was_sent() -> None:
    body, _ = Body.read({"text": "planted", "data": {"planted": "planted"}})
    assert repr(body) == "Body(…)"
