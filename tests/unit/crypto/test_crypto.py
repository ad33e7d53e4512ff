"""Known answers and refusals of the primitives we compose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.base.ids import SystemSource
from custody.crypto import aead, mac
from custody.crypto.framing import frame
from custody.crypto.kdf import hkdf

SOURCE = SystemSource()


class FixedSource:
    """Gives the bytes it was made with."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def random(self, size: int) -> bytes:
        """The first `size` bytes."""
        return self.data[:size]


def test_aes_256_gcm_matches_nist_test_case_16() -> None:
    """McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, test case 16."""
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
    nonce = bytes.fromhex("cafebabefacedbaddecaf888")
    plaintext = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    associated = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    sealed = aead.encrypt(key, plaintext, associated, FixedSource(nonce))
    assert sealed.hex() == (
        nonce.hex() + "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        "76fc6ece0f4e1768cddf8853bb2d551b"
    )
    assert aead.decrypt(key, sealed, associated) == plaintext


def test_a_sealed_value_does_not_open_with_anything_changed() -> None:
    key = SOURCE.random(32)
    sealed = aead.encrypt(key, b"value", b"place", SOURCE)
    attempts = [
        (SOURCE.random(32), sealed, b"place"),
        (key, sealed, b"other"),
        (key, sealed[:-1], b"place"),
        (key, sealed[:20], b"place"),
        (key, sealed[:-1] + bytes([sealed[-1] ^ 1]), b"place"),
    ]
    for attempt in attempts:
        with pytest.raises(aead.CannotOpen):
            aead.decrypt(*attempt)


def test_a_key_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        aead.cipher(bytes(16))


RFC_5869 = (
    (
        "0b" * 22,
        "000102030405060708090a0b0c",
        "f0f1f2f3f4f5f6f7f8f9",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        bytes(range(0x50)).hex(),
        bytes(range(0x60, 0xB0)).hex(),
        bytes(range(0xB0, 0x100)).hex(),
        (
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
            "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
            "cc30c58179ec3e87c14c01d5c1f3434f1d87"
        ),
    ),
    (
        "0b" * 22,
        "",
        "",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
)


@pytest.mark.parametrize(("secret", "salt", "info", "expected"), RFC_5869)
def test_hkdf_matches_appendix_a_of_rfc_5869(
    secret: str, salt: str, info: str, expected: str
) -> None:
    derived = hkdf(
        bytes.fromhex(secret),
        salt=bytes.fromhex(salt),
        info=bytes.fromhex(info),
        size=len(expected) // 2,
    )
    assert derived.hex() == expected


RFC_4231 = (
    (
        "0b" * 20,
        b"Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    (
        b"Jefe".hex(),
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        "aa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
)


@pytest.mark.parametrize(("key", "data", "expected"), RFC_4231)
def test_hmac_matches_rfc_4231(key: str, data: bytes, expected: str) -> None:
    secret = bytes.fromhex(key)
    assert mac.mac(secret, data).hex() == expected
    assert mac.Authenticator(secret).mac(data).hex() == expected


def test_a_wrong_mac_is_refused() -> None:
    tag = mac.mac(b"k" * 32, b"data")
    mac.verify(b"k" * 32, b"data", tag)
    mac.Authenticator(b"k" * 32).verify(b"data", tag)
    for key, data, expected in ((b"k", b"data", tag), (b"k" * 32, b"date", tag), (b"k", b"", b"")):
        with pytest.raises(mac.WrongMAC):
            mac.verify(key, data, expected)
        with pytest.raises(mac.WrongMAC):
            mac.Authenticator(key).verify(data, expected)


@given(st.lists(st.binary(max_size=6), max_size=4), st.lists(st.binary(max_size=6), max_size=4))
def test_different_fields_never_frame_to_the_same_bytes(
    left: list[bytes], right: list[bytes]
) -> None:
    assert (frame(*left) == frame(*right)) == (left == right)
