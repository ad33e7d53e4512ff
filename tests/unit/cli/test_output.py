"""Tables, JSON and YAML."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.cli import output
from custody.cli.output import Format
from custody.cli.yaml import to_yaml

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def test_a_table_is_aligned_as_vaults() -> None:
    assert output.table(["Path", "Type", "Note"], [["a/", "kv", "x"], ["long/", "", " "]]) == (
        "Path     Type    Note\n----     ----    ----\na/       kv      x\nlong/    n/a     n/a"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "<nil>"),
        (True, "true"),
        (["a", 1, None], "[a 1 <nil>]"),
        ({"b": 1, "a": [2]}, "map[a:[2] b:1]"),
        (Decimal("1.50"), "1.50"),
    ],
)
def test_values_are_shown_as_go_shows_them(value: Any, text: str) -> None:
    assert output.go_text(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59, "59s"), (60, "1m"), (3600, "1h"), (5400, "1h30m"), (3605, "1h5s"),
     (2764800, "768h"), ("24h", "24h"), (None, "<nil>")],
)  # fmt: skip
def test_seconds_are_shown_as_a_duration(seconds: Any, text: str) -> None:
    assert output.human_seconds(seconds) == text


def test_durations_are_recognised_by_their_name() -> None:
    table = output.mapping_table({"ttl": 60, "max_ttl": 3600, "battle": 60, "num_uses": 60})
    assert [line.split()[1] for line in table.splitlines()[2:]] == ["60", "1h", "60", "1m"]


def test_headings_are_as_wide_as_what_they_head() -> None:
    assert output.headed_path("Secret Path", "secret/data/creds").splitlines()[0] == (
        "== Secret Path =="
    )
    assert output.headed("Data", {"password": "x"}).splitlines()[0] == "====== Data ======"
    assert output.heading("Metadata", 3) == "== Metadata =="


def test_a_lease_a_token_and_a_wrapping_token_come_before_the_data() -> None:
    leased = {"lease_id": "a/b", "lease_duration": 3600, "renewable": True, "data": {"k": "v"}}
    assert [line.split()[0] for line in output.envelope_table(leased).splitlines()[2:]] == [
        "lease_id", "lease_duration", "lease_renewable", "k",
    ]  # fmt: skip
    root = {"auth": {"client_token": "t", "accessor": "a", "lease_duration": 0, "renewable": False,
                     "policies": ["root"], "token_policies": ["root"]}}  # fmt: skip
    table = output.envelope_table(root)
    assert "token_duration       ∞" in table
    assert 'token_policies       ["root"]' in table
    wrapped = {"wrap_info": {"token": "w", "accessor": "a", "ttl": 60, "creation_time": "now",
                             "creation_path": "p", "wrapped_accessor": "x"}}  # fmt: skip
    assert "wrapping_token_ttl:              1m" in output.envelope_table(wrapped)
    assert output.envelope_fields(wrapped)["wrapping_token"] == "w"
    unleased = {"lease_duration": 3600, "data": {"k": "v"}}
    assert "refresh_interval    1h" in output.envelope_table(unleased)
    assert output.envelope_table({}) == ""


@given(JSON_VALUES)
def test_json_is_what_the_standard_library_writes(value: Any) -> None:
    assert output.to_json(value, indent=2) == json.dumps(value, indent=2, ensure_ascii=False)
    assert json.loads(output.to_json(value)) == value


def test_an_answer_without_an_envelope_is_shown_as_data() -> None:
    bare = {"initialized": True, "sealed": False}
    assert output.envelope(output.enveloped(bare)) == {
        "request_id": "", "lease_id": "", "lease_duration": 0, "renewable": False, "data": bare,
        "warnings": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "part",
    [{"request_id": "1"}, {"data": {}}, {"auth": {"client_token": "t"}}, {"warnings": ["w"]}],
)
def test_an_answer_with_an_envelope_is_left_as_it_is(part: dict[str, Any]) -> None:
    answer = {"data": None, "lease_id": "", "renewable": False, **part}
    assert output.enveloped(answer) is answer


def test_json_keeps_every_digit() -> None:
    text = '{"n": 1.50, "big": 12345678901234567890.123456789}'
    assert output.to_json(json.loads(text, parse_float=Decimal)) == text


def test_yaml_is_in_block_style_with_sorted_keys() -> None:
    value = {"b": [1, {"x": [], "w": {}}, ["z"]], "a": {"c": None, "d": True}, "e": Decimal("1.50")}
    assert to_yaml(value) == ("a:\n  c: null\n  d: true\nb:\n- 1\n- w: {}\n  x: []\n- - z\ne: 1.50")


@pytest.mark.parametrize(
    "text",
    ["", "yes", "No", "null", "~", "1", "1e3", "0x1f", "-", "- a", "a: b", "a #b", " a", "a ",
     "2026-11-22", "*a", "&a", "!a", "{a}", "a\nb", "=", ".5", "@a", "`a", "%a", "é"],
)  # fmt: skip
def test_doubtful_text_is_quoted_in_yaml(text: str) -> None:
    assert to_yaml(text) == json.dumps(text, ensure_ascii=False)


@pytest.mark.parametrize("text", ["a", "hello world", "secret/data/app", "a-b_c.d", "x+y@z"])
def test_harmless_text_is_plain_in_yaml(text: str) -> None:
    assert to_yaml(text) == text


def test_unprintable_characters_are_escaped_in_yaml() -> None:
    assert to_yaml("a\x7f\x85\u2028\ufeff") == r'"a\u007f\u0085\u2028\ufeff"'


@given(st.text())
def test_a_text_in_yaml_is_one_line_that_reads_back(text: str) -> None:
    written = to_yaml(text)
    assert "\n" not in written
    assert (json.loads(written) if written.startswith('"') else written) == text


def test_a_list_is_shown_under_keys() -> None:
    assert output.render(["a", "b/"], Format.TABLE) == "Keys\n----\na\nb/"


def test_running_text_is_broken_into_lines() -> None:
    text = output.wrapped("word " * 40)
    assert max(map(len, text.splitlines())) <= 78
    assert text.split() == ["word"] * 40
