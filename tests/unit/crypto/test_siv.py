"""AES-SIV against RFC 5297, by the published vector and by the construction spelled out."""

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given
from hypothesis import strategies as st

from custody.crypto.aead import CannotOpen
from custody.crypto.siv import KEY_SIZE, SIV

KEY = bytes(range(KEY_SIZE))
PLACE = b"a place"


def spelled_out(key: bytes, place: bytes, plaintext: bytes) -> bytes:
    """RFC 5297, sections 2.4 to 2.6, with one string of associated data."""
    half = len(key) // 2
    digest = _xor(_double(_cmac(key[:half], bytes(16))), _cmac(key[:half], place))
    if len(plaintext) >= 16:
        last = plaintext[:-16] + _xor(plaintext[-16:], digest)
    else:
        last = _xor(_double(digest), plaintext + b"\x80" + bytes(15 - len(plaintext)))
    tag = _cmac(key[:half], last)
    mask = (1 << 128) - 1 - (1 << 63) - (1 << 31)
    counter = (int.from_bytes(tag, "big") & mask).to_bytes(16, "big")
    return tag + Cipher(AES(key[half:]), CTR(counter)).encryptor().update(plaintext)


def _cmac(key: bytes, data: bytes) -> bytes:
    mac = CMAC(AES(key))
    mac.update(data)
    return mac.finalize()


def _double(block: bytes) -> bytes:
    number = int.from_bytes(block, "big") << 1
    reduced = (number ^ 0x87) & ((1 << 128) - 1) if number >> 128 else number
    return reduced.to_bytes(16, "big")


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def test_the_construction_as_spelled_out_gives_the_published_vector() -> None:
    """RFC 5297, appendix A.1."""
    key = bytes.fromhex("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
    associated = bytes.fromhex("101112131415161718191a1b1c1d1e1f2021222324252627")
    plaintext = bytes.fromhex("112233445566778899aabbccddee")
    expected = "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c"
    assert spelled_out(key, associated, plaintext).hex() == expected


@given(st.binary(min_size=1, max_size=100))
def test_it_is_that_construction_with_a_512_bit_key(plaintext: bytes) -> None:
    sealed = SIV(KEY, PLACE).encrypt(plaintext)
    assert sealed == spelled_out(KEY, PLACE, plaintext)
    assert SIV(KEY, PLACE).decrypt(sealed) == plaintext


@given(st.integers(min_value=0, max_value=36 * 8 - 1))
def test_one_wrong_bit_anywhere_does_not_open(bit: int) -> None:
    sealed = bytearray(SIV(KEY, PLACE).encrypt(b"x" * 20))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CannotOpen):
        SIV(KEY, PLACE).decrypt(bytes(sealed))


def test_another_key_or_place_does_not_open() -> None:
    sealed = SIV(KEY, PLACE).encrypt(b"x")
    for other in (SIV(KEY, b"another place"), SIV(KEY[::-1], PLACE)):
        with pytest.raises(CannotOpen):
            other.decrypt(sealed)
    for short in (b"", sealed[:16]):
        with pytest.raises(CannotOpen):
            SIV(KEY, PLACE).decrypt(short)


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="64 bytes"):
        SIV(KEY[1:], PLACE)
