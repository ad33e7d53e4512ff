"""The static seal and the recovery key: what opens, what does not, and bytes fixed for good."""

import json
from pathlib import Path
from typing import Any

import pytest

from custody.base.ids import SystemSource
from custody.seals import recovery
from custody.seals.quorum import InvalidKey
from custody.seals.seal import CannotUnseal
from custody.seals.static import StaticSeal
from custody.seals.wrapping import Purpose

SOURCE = SystemSource()
OLD, NEW, INNER = b"\x01" * 32, b"\x02" * 32, bytes(range(32))
VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "seals.json").read_text())["vectors"]


class Counting:
    """Known bytes in place of randomness."""

    def random(self, size: int) -> bytes:
        """0, 1, 2 …"""
        return bytes(range(size))


async def test_what_the_current_key_wrapped_opens_for_its_purpose_alone() -> None:
    seal = StaticSeal("a", {"a": NEW}, SOURCE)
    blob = await seal.wrap(INNER, Purpose.ROOT_KEY)
    assert INNER not in blob
    assert await seal.unwrap(blob, Purpose.ROOT_KEY) == INNER
    with pytest.raises(CannotUnseal):
        await seal.unwrap(blob, Purpose.RECOVERY_KEY)


async def test_a_previous_key_opens_what_it_wrapped_and_that_is_outdated() -> None:
    before = await StaticSeal("one", {"one": OLD}, SOURCE).wrap(INNER, Purpose.ROOT_KEY)
    seal = StaticSeal("two", {"two": NEW, "one": OLD}, SOURCE)
    assert await seal.unwrap(before, Purpose.ROOT_KEY) == INNER
    assert seal.outdated(before)
    assert not seal.outdated(await seal.wrap(INNER, Purpose.ROOT_KEY))
    with pytest.raises(CannotUnseal, match="no key of the id 'one' is configured"):
        await StaticSeal("two", {"two": NEW}, SOURCE).unwrap(before, Purpose.ROOT_KEY)


async def test_a_key_under_the_id_of_another_opens_nothing() -> None:
    blob = await StaticSeal("a", {"a": NEW}, SOURCE).wrap(INNER, Purpose.ROOT_KEY)
    with pytest.raises(CannotUnseal, match="does not open"):
        await StaticSeal("a", {"a": OLD}, SOURCE).unwrap(blob, Purpose.ROOT_KEY)
    moved = blob[:2] + b"b" + blob[3:]
    with pytest.raises(CannotUnseal):
        await StaticSeal("b", {"b": NEW}, SOURCE).unwrap(moved, Purpose.ROOT_KEY)


async def test_every_flipped_bit_of_a_blob_is_refused() -> None:
    seal = StaticSeal("a", {"a": NEW}, SOURCE)
    blob = await seal.wrap(INNER, Purpose.ROOT_KEY)
    for position in range(len(blob) * 8):
        damaged = bytearray(blob)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(CannotUnseal):
            await seal.unwrap(bytes(damaged), Purpose.ROOT_KEY)
    for short in (b"", blob[:1], blob[:3], blob[:20]):
        with pytest.raises(CannotUnseal):
            await seal.unwrap(short, Purpose.ROOT_KEY)


@pytest.mark.parametrize(("name", "key"), [("", NEW), ("a" * 256, NEW), ("a", b"short")])
def test_impossible_keys_and_ids_are_refused(name: str, key: bytes) -> None:
    with pytest.raises(ValueError, match="key"):
        StaticSeal(name, {name: key}, SOURCE)


def test_a_seal_shows_no_key() -> None:
    assert repr(StaticSeal("a", {"a": NEW}, SOURCE)) == "StaticSeal('a')"


def test_another_recovery_key_opens_nothing() -> None:
    blob = recovery.wrap_root_key(INNER, NEW, SOURCE)
    assert recovery.unwrap_root_key(blob, NEW) == INNER
    with pytest.raises(InvalidKey, match="recovery key does not match submitted values"):
        recovery.unwrap_root_key(blob, OLD)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
async def test_the_bytes_of_each_wrapping_are_pinned(vector: dict[str, Any]) -> None:
    outer, inner = bytes.fromhex(vector["outer"]), bytes.fromhex(vector["inner"])
    purpose, wrapped = Purpose(vector["purpose"]), bytes.fromhex(vector["wrapped"])
    if vector["seal"] == "recovery":
        assert recovery.wrap_root_key(inner, outer, Counting()) == wrapped
        assert recovery.unwrap_root_key(wrapped, outer) == inner
        return
    seal = StaticSeal(vector["id"], {vector["id"]: outer}, Counting())
    assert await seal.wrap(inner, purpose) == wrapped
    assert await seal.unwrap(wrapped, purpose) == inner
