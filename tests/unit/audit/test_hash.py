"""What is hashed in a record, what stays clear, and that odd shapes do no harm."""

import hashlib
import hmac

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.audit.hash import MAX_DEPTH, PREFIX, TOO_DEEP, Hasher, legible
from custody.base.secret import Secret

KEY = b"k" * 32
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text()
TREES = st.recursive(
    LEAVES, lambda child: st.lists(child) | st.dictionaries(st.text(), child), max_leaves=20
)


def expected(text: str) -> str:
    return PREFIX + hmac.new(KEY, text.encode("utf-8"), hashlib.sha256).hexdigest()


def reference(value: object) -> object:
    if isinstance(value, str):
        return expected(value)
    if isinstance(value, dict):
        return {name: reference(child) for name, child in value.items()}
    if isinstance(value, list):
        return [reference(child) for child in value]
    return value


@given(st.dictionaries(st.text(), TREES))
def test_every_text_is_hashed_and_nothing_else(data: dict[str, object]) -> None:
    assert Hasher(KEY).fields(data) == reference(data)


def strict(value: object) -> object:
    if isinstance(value, dict):
        return {name: strict(child) for name, child in value.items()}
    if isinstance(value, list):
        return [strict(child) for child in value]
    if value is None or isinstance(value, str):
        return reference(value)
    return expected(msgspec.json.encode(value).decode())


@given(st.dictionaries(st.sampled_from(["a", "b"]), TREES))
def test_numbers_stay_clear_only_under_the_names_that_are_given(data: dict[str, object]) -> None:
    hashed = Hasher(KEY).fields(data, numbers=frozenset({"a"}))
    assert hashed == {
        name: (reference if name == "a" else strict)(value) for name, value in data.items()
    }


def test_a_hidden_number_is_found_by_its_text() -> None:
    hasher = Hasher(KEY)
    hidden = hasher.fields({"pin": 1234, "rate": 0.5, "on": True, "big": 2**80}, numbers=())
    texts = {"pin": "1234", "rate": "0.5", "on": "true", "big": str(2**80)}
    assert hidden == {name: hasher.text(text) for name, text in texts.items()}


@given(st.text(), st.binary(min_size=1, max_size=32))
def test_the_hash_is_hmac_sha256_under_the_devices_key(text: str, key: bytes) -> None:
    whole = hmac.new(key, text.encode("utf-8"), hashlib.sha256).hexdigest()
    assert Hasher(key).text(text) == f"hmac-sha256:{whole}"


def test_exempt_keys_stay_clear_at_the_top_level_only() -> None:
    hashed = Hasher(KEY).fields({"a": {"b": "x"}, "b": "x"}, frozenset({"a"}))
    assert hashed == {"a": {"b": "x"}, "b": expected("x")}


def test_a_structure_that_is_too_deep_is_cut_and_says_so() -> None:
    deep: object = "secret"
    for _ in range(100_000):
        deep = [deep]
    text = msgspec.json.encode(Hasher(KEY).fields({"deep": deep})).decode()
    assert TOO_DEEP in text
    assert text.count("[") == MAX_DEPTH - 1
    assert TOO_DEEP in msgspec.json.encode(legible({"deep": deep})).decode()


@pytest.mark.parametrize("number", [2**64, -(2**70), 10**400, 2**63, -(2**63)])
def test_any_integer_can_be_encoded(number: int) -> None:
    assert msgspec.json.encode(Hasher(KEY).fields({"n": number}))


def test_secrets_bytes_structs_and_encoded_json_are_hashed_like_text() -> None:
    class Login(msgspec.Struct):
        user: str

    data = {"a": Secret("x"), "b": b"x", "c": Login("x"), "d": msgspec.Raw(b'{"e":["x",1]}')}
    assert Hasher(KEY).fields(data) == {
        "a": expected("x"),
        "b": expected("x"),
        "c": {"user": expected("x")},
        "d": {"e": [expected("x"), 1]},
    }
    assert legible(data) == {"a": "x", "b": "x", "c": {"user": "x"}, "d": {"e": ["x", 1]}}


def test_a_lone_surrogate_is_hashed_too() -> None:
    assert Hasher(KEY).text("\ud800").startswith(PREFIX)
