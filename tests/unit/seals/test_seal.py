"""The Shamir seal: shares, progress, and the root key under the unseal key."""

from itertools import combinations

import pytest

from custody.base.errors import BadRequest
from custody.base.ids import SystemSource
from custody.seals.config import Split
from custody.seals.quorum import InvalidKey
from custody.seals.shamir import (
    UnsealProgress,
    split_key,
    unwrap_root_key,
    wrap_root_key,
)

SOURCE = SystemSource()
KEY = bytes(range(32))


def test_any_threshold_of_shares_unseals_the_root_key() -> None:
    config = Split(shares=5, threshold=3)
    root_key = SOURCE.random(32)
    blob = wrap_root_key(root_key, KEY, SOURCE)
    for three in combinations(split_key(KEY, config, SOURCE), 3):
        progress = UnsealProgress(config)
        for share in three:
            assert progress.unseal_key() is None
            progress.add(share, SOURCE)
        recovered = progress.unseal_key()
        assert recovered is not None
        assert unwrap_root_key(blob, recovered) == root_key


def test_one_share_of_one_is_the_bare_key() -> None:
    config = Split(shares=1, threshold=1)
    assert split_key(KEY, config, SOURCE) == [KEY]
    progress = UnsealProgress(config)
    assert progress.add(KEY, SOURCE) == 1
    assert progress.unseal_key() == KEY


def test_a_share_brought_twice_does_not_advance() -> None:
    progress = UnsealProgress(Split(shares=3, threshold=2))
    share, other, _ = split_key(KEY, progress.split, SOURCE)
    assert progress.nonce == ""
    assert progress.add(share, SOURCE) == 1
    nonce = progress.nonce
    assert nonce
    assert progress.add(share, SOURCE) == 1
    assert progress.add(other, SOURCE) == 2
    assert progress.nonce == nonce


def test_a_reset_and_a_finished_attempt_forget_nonce_and_shares() -> None:
    progress = UnsealProgress(Split(shares=3, threshold=2))
    shares = split_key(KEY, progress.split, SOURCE)
    progress.add(shares[0], SOURCE)
    progress.reset()
    assert (progress.count, progress.nonce) == (0, "")
    progress.add(shares[1], SOURCE)
    progress.add(shares[2], SOURCE)
    assert progress.unseal_key() == KEY
    assert (progress.count, progress.nonce) == (0, "")


def test_wrong_shares_are_told_apart_only_by_unwrapping() -> None:
    blob = wrap_root_key(SOURCE.random(32), KEY, SOURCE)
    progress = UnsealProgress(Split(shares=3, threshold=2))
    progress.add(b"a" * 32 + b"\x01", SOURCE)
    progress.add(b"b" * 32 + b"\x02", SOURCE)
    recovered = progress.unseal_key()
    assert recovered is not None
    with pytest.raises(InvalidKey, match="unable to retrieve stored keys: invalid key: failed"):
        unwrap_root_key(blob, recovered)


@pytest.mark.parametrize("second", [b"b" * 20, b"c" * 32 + b"\x01"])
def test_shares_that_do_not_fit_together_end_the_attempt(second: bytes) -> None:
    progress = UnsealProgress(Split(shares=3, threshold=2))
    progress.add(b"a" * 32 + b"\x01", SOURCE)
    progress.add(second, SOURCE)
    with pytest.raises(InvalidKey):
        progress.unseal_key()
    assert progress.count == 0


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (b"s" * 15, "invalid key: key is shorter than minimum 16 bytes"),
        (b"s" * 34, "invalid key: key is longer than maximum 33 bytes"),
    ],
)
def test_a_share_of_impossible_length_is_refused(share: bytes, text: str) -> None:
    progress = UnsealProgress(Split(shares=3, threshold=2))
    with pytest.raises(InvalidKey) as caught:
        progress.add(share, SOURCE)
    assert caught.value.listed == (text,)
    assert progress.nonce == ""


@pytest.mark.parametrize(
    ("shares", "threshold"), [(0, 0), (0, 1), (1, 0), (2, 1), (2, 3), (256, 2), (256, 256)]
)
def test_impossible_configurations_are_refused(shares: int, threshold: int) -> None:
    with pytest.raises(BadRequest):
        Split(shares=shares, threshold=threshold)


def test_neither_blob_nor_progress_shows_a_key() -> None:
    blob = wrap_root_key(KEY, SOURCE.random(32), SOURCE)
    assert KEY not in blob
    progress = UnsealProgress(Split(shares=1, threshold=1))
    progress.add(KEY, SOURCE)
    assert KEY.hex() not in repr(progress)
    assert repr(KEY) not in repr(progress)


def test_every_flipped_bit_of_a_wrapped_root_key_is_refused() -> None:
    blob = wrap_root_key(SOURCE.random(32), KEY, SOURCE)
    for position in range(len(blob) * 8):
        damaged = bytearray(blob)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(InvalidKey):
            unwrap_root_key(bytes(damaged), KEY)
