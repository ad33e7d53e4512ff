"""Shamir's sharing against an independent slow implementation, and its properties."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.base.ids import SystemSource
from custody.crypto.shamir import WrongShares, combine, split

SOURCE = SystemSource()

# Shares of the secret "test" by f(x) = s + a1·x + a2·x², a1 = 01 02 03 04, a2 = ff fe fd fc, at
# x = 1, 2, 3 and 255, computed with `slow_multiply` alone: long multiplication and reduction
# of polynomials, not the code under test.
SECRET = b"test"
COEFFICIENTS = (bytes([1, 2, 3, 4]), bytes([0xFF, 0xFE, 0xFD, 0xFC]))
KNOWN = {1: "8a998d8c", 2: "a7b4aca1", 3: "59485259", 255: "f8e03ce3"}


class ScriptedSource:
    """Gives prepared answers, one per call."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)

    def random(self, size: int) -> bytes:
        """The next answer, which must have the size asked for."""
        answer = self.answers.pop(0)
        assert len(answer) == size
        return answer


def slow_multiply(left: int, right: int) -> int:
    """Multiplication of polynomials over GF(2), then division by x^8+x^4+x^3+x+1."""
    product = 0
    for power in range(8):
        if right & 1 << power:
            product ^= left << power
    for power in range(14, 7, -1):
        if product & 1 << power:
            product ^= 0x11B << (power - 8)
    return product


def slow_combine(shares: list[bytes]) -> bytes:
    """Lagrange at zero, dividing by searching for the quotient."""
    secret = b""
    for place in range(len(shares[0]) - 1):
        value = 0
        for share in shares:
            term = share[place]
            for other in shares:
                if other is not share:
                    x, y = other[-1], other[-1] ^ share[-1]
                    quotient = next(q for q in range(256) if slow_multiply(q, y) == x)
                    term = slow_multiply(term, quotient)
            value ^= term
        secret += bytes([value])
    return secret


def test_known_shares_combine_to_their_secret() -> None:
    shares = [bytes.fromhex(y) + bytes([x]) for x, y in KNOWN.items()]
    for three in combinations(shares, 3):
        assert combine(three) == SECRET
        assert slow_combine(list(three)) == SECRET


def test_split_evaluates_its_random_polynomial_at_its_coordinates() -> None:
    source = ScriptedSource(*COEFFICIENTS, bytes([1, 0, 2, 2, 3, 255, 9, 9]))
    shares = split(SECRET, 4, 3, source)
    assert [share.hex() for share in shares] == [f"{y}{x:02x}" for x, y in KNOWN.items()]


@settings(max_examples=60)
@given(st.binary(min_size=1, max_size=40), st.data())
def test_any_threshold_of_shares_recovers_the_secret(secret: bytes, data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 9))
    threshold = data.draw(st.integers(2, count))
    shares = split(secret, count, threshold, SOURCE)
    assert len({share[-1] for share in shares}) == count
    chosen = data.draw(st.permutations(shares))[:threshold]
    assert combine(chosen) == slow_combine(chosen) == secret


def test_fewer_shares_are_consistent_with_every_secret() -> None:
    """One share of two: over all polynomials each secret gives each value exactly once."""
    for secret in (b"\x00", b"\x01", b"\xa7", b"\xff"):
        values = {
            split(secret, 2, 2, ScriptedSource(bytes([slope]), bytes([7, 9, 0, 0])))[0][0]
            for slope in range(256)
        }
        assert values == set(range(256))


def test_two_hundred_and_fifty_five_shares_are_the_most() -> None:
    shares = split(b"s" * 32, 255, 255, SOURCE)
    assert combine(shares) == b"s" * 32
    with pytest.raises(WrongShares):
        split(b"s" * 32, 256, 2, SOURCE)


@pytest.mark.parametrize(
    ("secret", "shares", "threshold"), [(b"", 3, 2), (b"s", 2, 3), (b"s", 3, 1), (b"s", 3, 0)]
)
def test_impossible_splits_are_refused(secret: bytes, shares: int, threshold: int) -> None:
    with pytest.raises(WrongShares):
        split(secret, shares, threshold, SOURCE)


@pytest.mark.parametrize(
    "shares",
    [
        [],
        [b"a\x01"],
        [b"a\x01", b"b\x01"],
        [b"a\x01", b"ab\x02"],
        [b"a\x01", b"b\x00"],
        [b"\x01", b"\x02"],
    ],
)
def test_shares_that_cannot_belong_together_are_refused(shares: list[bytes]) -> None:
    with pytest.raises(WrongShares):
        combine(shares)
