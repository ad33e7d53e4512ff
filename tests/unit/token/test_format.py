import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.base.ids import BASE62, SystemSource
from custody.token import format as formats


def test_a_token_is_prefix_random_and_checksum() -> None:
    token = formats.new_id(SystemSource())
    assert token.startswith("cus.")
    assert len(token) == 4 + 24 + 6
    assert set(token[4:]) <= set(BASE62)
    value = 0
    for character in token[-6:]:
        value = value * 62 + BASE62.index(character)
    assert value == zlib.crc32(token[:-6].encode())


def test_the_checksum_of_a_known_token_stays_the_same() -> None:
    assert formats.well_formed("cus." + "0" * 24 + "3dCKdY") is True
    assert formats.well_formed("cus." + "0" * 24 + "3dCKd_") is False


def test_an_accessor_is_24_base62_characters() -> None:
    accessor = formats.new_accessor(SystemSource())
    assert len(accessor) == 24
    assert set(accessor) <= set(BASE62)


def test_two_tokens_differ() -> None:
    assert formats.new_id(SystemSource()) != formats.new_id(SystemSource())


@given(st.integers(min_value=0, max_value=33), st.sampled_from(BASE62))
def test_a_token_with_one_wrong_character_is_never_looked_up(position: int, other: str) -> None:
    token = formats.new_id(SystemSource())
    wrong = token[:position] + other + token[position + 1 :]
    if wrong != token and wrong.startswith("cus."):
        assert not formats.well_formed(wrong)


@pytest.mark.parametrize("text", ["cus.", "cub.abc", "cur.", "cus." + "é" * 30, "", "x" * 513])
def test_what_cannot_be_a_token_is_refused_without_a_look_up(text: str) -> None:
    assert not formats.well_formed(text)


@pytest.mark.parametrize("text", ["root", "my-dev-token", "hvs.abc", "x" * 512])
def test_an_id_that_an_operator_may_have_chosen_is_looked_up(text: str) -> None:
    assert formats.well_formed(text)
