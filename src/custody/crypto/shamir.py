"""Shamir's secret sharing over GF(2^8), byte by byte, in the form that Vault's shares have.

A. Shamir, "How to Share a Secret", CACM 22(11), 1979. The field is AES's (x^8+x^4+x^3+x+1,
0x11b). A share is the polynomial's value for each byte of the secret, then one byte: x.

All bytes of a secret are computed side by side in one integer (a lane of eight bits each), with
masks instead of table lookups or branches on secret bits. What CPython's integers do below that is
not promised to take constant time; x coordinates are not secret.
"""

from collections.abc import Sequence

from custody.base.ids import Source

MAX_SHARES = 255
_REDUCTION = 0x1B
_TOP_BIT = 0x80
_LOW_BITS = 0x7F


class WrongShares(ValueError):
    """The numbers or the shares cannot make a secret."""


def split(secret: bytes, shares: int, threshold: int, source: Source) -> list[bytes]:
    """`shares` shares of `secret`, any `threshold` of which recover it. Raises WrongShares."""
    _check(secret, shares, threshold)
    size = len(secret)
    coefficients = [secret, *(source.random(size) for _ in range(threshold - 1))]
    return [_evaluate(coefficients, x) + bytes([x]) for x in _coordinates(shares, source)]


def combine(shares: Sequence[bytes]) -> bytes:
    """The secret that these shares lie on; too few or wrong ones give other bytes, not an error.

    Raises WrongShares when they cannot belong together: fewer than two, lengths that differ,
    an x that is zero or appears twice.
    """
    minimum = 2
    if len(shares) < minimum:
        raise WrongShares("less than two parts cannot be used to reconstruct the secret")
    size = len(shares[0])
    if size < minimum:
        raise WrongShares("parts must be at least two bytes")
    if any(len(share) != size for share in shares):
        raise WrongShares("all parts must be the same length")
    xs = [share[-1] for share in shares]
    if len(set(xs)) != len(xs):
        raise WrongShares("duplicate part detected")
    if 0 in xs:
        raise WrongShares("a part's coordinate is zero")
    total = 0
    for share, x in zip(shares, xs, strict=True):
        total ^= _scale(int.from_bytes(share[:-1], "big"), _weight(x, xs), size - 1)
    return total.to_bytes(size - 1, "big")


def _check(secret: bytes, shares: int, threshold: int) -> None:
    if not secret:
        raise WrongShares("cannot split an empty secret")
    if shares < threshold:
        raise WrongShares("parts cannot be less than threshold")
    if shares > MAX_SHARES:
        raise WrongShares(f"parts cannot exceed {MAX_SHARES}")
    if threshold < 2:  # noqa: PLR2004 - with one share there is nothing to split
        raise WrongShares("threshold must be at least 2")


def _coordinates(count: int, source: Source) -> list[int]:
    """`count` distinct values of 1…255 in random order."""
    chosen: dict[int, None] = {}
    while len(chosen) < count:
        chosen.update(dict.fromkeys(byte for byte in source.random(count * 2) if byte))
    return list(chosen)[:count]


def _evaluate(coefficients: Sequence[bytes], x: int) -> bytes:
    """The polynomials' values at `x` (Horner), one per byte; `coefficients` lowest first."""
    size = len(coefficients[0])
    value = 0
    for coefficient in reversed(coefficients):
        value = _scale(value, x, size) ^ int.from_bytes(coefficient, "big")
    return value.to_bytes(size, "big")


def _scale(lanes: int, factor: int, size: int) -> int:
    """Each of the `size` bytes in `lanes` times `factor`."""
    ones = int.from_bytes(b"\x01" * size, "big")
    product = 0
    for bit in range(8):
        product ^= lanes * ((factor >> bit) & 1)
        overflow = (lanes & (ones * _TOP_BIT)) >> 7
        lanes = ((lanes & (ones * _LOW_BITS)) << 1) ^ (overflow * _REDUCTION)
    return product


def _weight(x: int, xs: Sequence[int]) -> int:
    """Lagrange's basis polynomial of `x` at zero: the product of other / (other - x)."""
    weight = 1
    for other in xs:
        if other != x:
            weight = _scale(weight, _scale(other, _inverse(other ^ x), 1), 1)
    return weight


def _inverse(value: int) -> int:
    """value^254, the multiplicative inverse in GF(2^8)."""
    power = value
    for _ in range(6):
        power = _scale(_scale(power, power, 1), value, 1)
    return _scale(power, power, 1)
