"""Keyrings: terms, derivation, wrapping, and scopes that share nothing."""

import pytest

from custody.barrier.envelope import Envelopes, UnknownTerm
from custody.barrier.keyring import (
    CannotUnwrap,
    decode_keyring,
    derived_root,
    encode_keyring,
    new_keyring,
    unwrap_keyring,
    wrap_keyring,
)
from custody.base.codec import CorruptRecord
from custody.base.ids import SystemSource
from custody.base.store import Table, Tampered

SOURCE = SystemSource()
ROOT = bytes(range(32))


def test_a_rotated_keyring_opens_what_older_terms_sealed() -> None:
    old = new_keyring(1, SOURCE)
    new = old.rotated(2, SOURCE).rotated(3, SOURCE)
    sealed = Envelopes(old).seal(Table.TOKEN, b"k", b"value", SOURCE)
    assert Envelopes(new).open(Table.TOKEN, b"k", sealed) == b"value"
    assert (new.term, new.version) == (3, 3)
    assert len({term.key for term in new.terms}) == 3
    assert [term.created_ns for term in new.terms] == [1, 2, 3]


def test_a_newer_term_asks_for_the_newer_keyring() -> None:
    old = new_keyring(1, SOURCE)
    sealed = Envelopes(old.rotated(2, SOURCE)).seal(Table.TOKEN, b"k", b"value", SOURCE)
    with pytest.raises(UnknownTerm) as caught:
        Envelopes(old).open(Table.TOKEN, b"k", sealed)
    assert caught.value.term == 2


def test_derived_keys_outlive_rotation_and_differ_by_purpose_and_scope() -> None:
    keyring = new_keyring(1, SOURCE)
    assert keyring.derive("salt") == keyring.rotated(2, SOURCE).derive("salt")
    others = {
        keyring.derive("salt"),
        keyring.derive("audit"),
        keyring.derive("salt", context=b"a"),
        new_keyring(1, SOURCE).derive("salt"),
        keyring.stable,
        keyring.terms[0].key,
    }
    assert len(others) == 6
    assert len(keyring.derive("long", size=64)) == 64


def test_own_scopes_share_no_derivation() -> None:
    first, second = new_keyring(1, SOURCE), new_keyring(1, SOURCE)
    assert first.scope != second.scope
    sealed = Envelopes(second).seal(Table.ENGINE, b"k", b"value", SOURCE)
    with pytest.raises(Tampered, match="another scope"):
        Envelopes(first).open(Table.ENGINE, b"k", sealed)
    # Even a first scope that calls itself the second has other keys.
    impostor = new_keyring(1, SOURCE, second.scope)
    with pytest.raises(Tampered):
        Envelopes(impostor).open(Table.ENGINE, b"k", sealed)
    # And nothing that the first scope derives opens the second's wrapped keyring.
    blob = wrap_keyring(second, ROOT, SOURCE)
    for key in (derived_root(first, second.scope), first.stable, first.terms[0].key):
        with pytest.raises(CannotUnwrap):
            unwrap_keyring(blob, key)


def test_a_derived_scope_opens_with_its_parent_alone() -> None:
    parent = new_keyring(1, SOURCE)
    child = new_keyring(1, SOURCE)
    blob = wrap_keyring(child, derived_root(parent, child.scope), SOURCE)
    assert unwrap_keyring(blob, derived_root(parent, child.scope)) == child
    with pytest.raises(CannotUnwrap):
        unwrap_keyring(blob, derived_root(parent, parent.scope))


def test_a_wrapped_keyring_comes_back_whole() -> None:
    keyring = new_keyring(1, SOURCE).rotated(2, SOURCE)
    blob = wrap_keyring(keyring, ROOT, SOURCE)
    assert unwrap_keyring(blob, ROOT) == keyring
    assert not [key for term in keyring.terms if (key := term.key) in blob]


def test_every_flipped_bit_of_a_wrapped_keyring_is_refused() -> None:
    blob = wrap_keyring(new_keyring(1, SOURCE), ROOT, SOURCE)
    for position in range(0, len(blob) * 8, 3):
        damaged = bytearray(blob)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(CannotUnwrap):
            unwrap_keyring(bytes(damaged), ROOT)
    for short in (b"", blob[:5], blob[:30]):
        with pytest.raises(CannotUnwrap):
            unwrap_keyring(short, ROOT)


def test_an_encoded_keyring_is_decoded_or_refused() -> None:
    keyring = new_keyring(1, SOURCE)
    assert decode_keyring(encode_keyring(keyring)) == keyring
    with pytest.raises(CorruptRecord):
        decode_keyring(b"nothing")


def test_no_representation_shows_a_key() -> None:
    keyring = new_keyring(1, SOURCE)
    shown = f"{keyring!r} {keyring} {keyring.terms!r}"
    for key in (keyring.stable, keyring.terms[0].key):
        assert repr(key) not in shown
        assert key.hex() not in shown
