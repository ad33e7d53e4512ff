"""ES512 in compact form, checked with the public key alone as a client would."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA512
from hypothesis import given
from hypothesis import strategies as st

from custody.crypto.jws import _ORDER, SECRET_SIZE, Signer, WrongSignature

SECRET = bytes(range(SECRET_SIZE))
CLAIMS = {"jti": "token", "exp": 1}


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_a_client_verifies_it_with_the_public_key_alone() -> None:
    signer = Signer(SECRET)
    header, claims, signature = signer.sign(CLAIMS).split(".")
    assert json.loads(unpadded(header)) == {"alg": "ES512", "typ": "JWT"}
    assert json.loads(unpadded(claims)) == CLAIMS
    raw = unpadded(signature)
    assert len(raw) == 132
    pair = utils.encode_dss_signature(
        int.from_bytes(raw[:66], "big"), int.from_bytes(raw[66:], "big")
    )
    public = ec.EllipticCurvePublicNumbers(*signer.point, ec.SECP521R1()).public_key()
    public.verify(pair, f"{header}.{claims}".encode(), ec.ECDSA(SHA512()))


def test_the_order_is_that_of_the_curve() -> None:
    """The number before the order is a private key whose point is the generator's mirror image."""
    first = ec.derive_private_key(1, ec.SECP521R1()).public_key().public_numbers()
    last = ec.derive_private_key(_ORDER - 1, ec.SECP521R1()).public_key().public_numbers()
    assert first.x == last.x
    assert first.y != last.y


def test_the_same_secret_gives_the_same_key_and_another_another() -> None:
    assert Signer(SECRET).point == Signer(SECRET).point
    assert Signer(SECRET).point != Signer(SECRET[::-1]).point
    assert Signer(SECRET).verify(Signer(SECRET).sign(CLAIMS)) == CLAIMS
    with pytest.raises(WrongSignature):
        Signer(SECRET).verify(Signer(SECRET[::-1]).sign(CLAIMS))
    with pytest.raises(ValueError, match="74 bytes"):
        Signer(SECRET[1:])


@given(st.data())
def test_one_wrong_character_anywhere_is_refused(data: st.DataObject) -> None:
    text = Signer(SECRET).sign(CLAIMS)
    place = data.draw(st.integers(min_value=0, max_value=len(text) - 2))  # the last has spare bits
    other = data.draw(st.sampled_from("AZaz09-_."))
    if other != text[place]:
        with pytest.raises(WrongSignature):
            Signer(SECRET).verify(text[:place] + other + text[place + 1 :])


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "é.é.é"])
def test_what_is_no_signed_text_is_refused(text: str) -> None:
    with pytest.raises(WrongSignature):
        Signer(SECRET).verify(text)


def test_another_algorithm_is_not_believed() -> None:
    _, claims, signature = Signer(SECRET).sign(CLAIMS).split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    with pytest.raises(WrongSignature):
        Signer(SECRET).verify(f"{header}.{claims}.{signature}")
