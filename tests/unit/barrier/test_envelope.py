"""Envelopes: golden bytes, and that a value opens in its own place only."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from custody.barrier.envelope import OVERHEAD, Envelopes, UnknownTerm, associated_data
from custody.barrier.keyring import Keyring, Term, new_keyring
from custody.base.ids import SystemSource
from custody.base.store import Table, Tampered

SOURCE = SystemSource()
VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "envelope.json").read_text())


class FixedSource:
    """Gives the bytes it was made with."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def random(self, size: int) -> bytes:
        """The first `size` bytes."""
        return self.data[:size]


def keyring_of(vector: dict[str, str]) -> Keyring:
    """A keyring whose newest term has the vector's key."""
    terms = tuple(Term(bytes([n]) * 32, n) for n in range(1, int(vector["term"])))
    newest = Term(bytes.fromhex(vector["term_key"]), 0)
    return Keyring(bytes.fromhex(vector["scope"]), 1, bytes(32), (*terms, newest))


@pytest.mark.parametrize("vector", VECTORS["vectors"])
def test_golden_envelopes_are_made_and_opened(vector: dict[str, str]) -> None:
    table, key = Table[vector["table"]], bytes.fromhex(vector["key"])
    plaintext = bytes.fromhex(vector["plaintext"])
    envelopes = Envelopes(keyring_of(vector))
    nonce = bytes.fromhex(vector["nonce"])
    assert envelopes.seal(table, key, plaintext, FixedSource(nonce)).hex() == vector["envelope"]
    assert envelopes.open(table, key, bytes.fromhex(vector["envelope"])) == plaintext


@pytest.mark.parametrize("vector", VECTORS["vectors"])
def test_golden_envelopes_follow_from_the_layout_alone(vector: dict[str, str]) -> None:
    scope, key = bytes.fromhex(vector["scope"]), bytes.fromhex(vector["key"])
    fields = (b"\x01", scope, bytes([Table[vector["table"]]]), key)
    associated = b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    envelope = bytes.fromhex(vector["envelope"])
    assert envelope[:13] == b"\x01" + scope + int(vector["term"]).to_bytes(4, "big")
    opened = AESGCM(bytes.fromhex(vector["term_key"])).decrypt(
        envelope[13:25], envelope[25:], associated
    )
    assert opened.hex() == vector["plaintext"]


def test_a_value_moved_to_another_key_does_not_open() -> None:
    envelopes = Envelopes(new_keyring(1, SOURCE))
    sealed = envelopes.seal(Table.POLICY, b"strong", b"value", SOURCE)
    assert envelopes.open(Table.POLICY, b"strong", sealed) == b"value"
    for table, key in ((Table.POLICY, b"weak"), (Table.TOKEN, b"strong"), (Table.POLICY, b"")):
        with pytest.raises(Tampered) as caught:
            envelopes.open(table, key, sealed)
        assert caught.value.key == key
        assert b"value".hex() not in str(caught.value)


def test_every_flipped_bit_of_an_envelope_is_refused() -> None:
    envelopes = Envelopes(new_keyring(1, SOURCE))
    sealed = envelopes.seal(Table.TOKEN, b"key", b"a value of some length", SOURCE)
    for position in range(len(sealed) * 8):
        damaged = bytearray(sealed)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises((Tampered, UnknownTerm)):
            envelopes.open(Table.TOKEN, b"key", bytes(damaged))


def test_every_truncation_of_an_envelope_is_refused() -> None:
    envelopes = Envelopes(new_keyring(1, SOURCE))
    sealed = envelopes.seal(Table.TOKEN, b"key", b"value", SOURCE)
    assert len(sealed) == OVERHEAD + len(b"value")
    for size in range(len(sealed)):
        with pytest.raises(Tampered):
            envelopes.open(Table.TOKEN, b"key", sealed[:size])


@given(
    st.tuples(st.sampled_from(Table), st.binary(max_size=12)),
    st.tuples(st.sampled_from(Table), st.binary(max_size=12)),
)
def test_places_have_distinct_associated_data(
    left: tuple[Table, bytes], right: tuple[Table, bytes]
) -> None:
    scope = bytes(8)
    same = associated_data(scope, *left) == associated_data(scope, *right)
    assert same == (left == right)
