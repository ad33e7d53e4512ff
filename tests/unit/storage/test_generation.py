"""Generations: built beside the present one, and put in its place whole or not at all."""

from errno import ENOSPC
from pathlib import Path
from typing import NoReturn

import pytest

from custody.base.clock import SystemClock
from custody.base.errors import Unavailable
from custody.base.store import RawRows
from custody.storage import layout
from custody.storage.generation import SUCCESSOR, LMDBGeneration
from custody.storage.lmdb import LMDBStore
from custody.storage.space import FreeSpace

OLD, NEW = b"\x40old", b"\x40new"


def opened(data: Path) -> LMDBStore:
    return LMDBStore.open(data, stamp=lambda _: None, clock=SystemClock(), low_water=0)


def rows(store: LMDBStore) -> list[bytes]:
    with store.snapshot() as raw:
        return [key for key, _ in raw.scan(b"\x40", b"\x41", 100)]


async def filled(data: Path) -> LMDBStore:
    store = opened(data)
    await store.write(lambda raw: raw.put(OLD, b"x"))
    return store


async def test_a_generation_takes_the_place_of_the_present_one(tmp_path: Path) -> None:
    store = await filled(tmp_path)
    generation = store.begin_generation()
    generation.load([(NEW, b"y"), (b"\x10a", b"z")])
    seen: list[bytes] = []

    def last(live: RawRows) -> None:
        seen.extend(key for key, _ in live.scan(b"\x40", b"\x41", 10))
        generation.write(lambda raw: raw.put(b"\x40z", b"late"))

    store.replace(generation, last)
    generation.discard()
    assert seen == [OLD]
    assert rows(store) == [OLD], "who has the old data open goes on reading it"
    again = opened(tmp_path)
    assert rows(again) == [NEW, b"\x40z"]
    assert again.path.name == "gen-000002"
    await again.write(lambda raw: raw.put(b"\x40zz", b""))
    again.remove_replaced()
    assert [path.name for path in (tmp_path / "root").glob("gen-*")] == ["gen-000002"]
    await store.close()
    await again.close()


async def test_nobody_writes_to_what_was_replaced(tmp_path: Path) -> None:
    store = await filled(tmp_path)
    generation = store.begin_generation()
    store.replace(generation, lambda _live: None)
    with pytest.raises(Unavailable, match="replaced"):
        await store.write(lambda raw: raw.put(OLD, b"lost"))
    with pytest.raises(Unavailable, match="replaced"):
        store.replace(generation, lambda _live: None)
    await store.close()


async def test_what_is_discarded_leaves_nothing(tmp_path: Path) -> None:
    store = await filled(tmp_path)
    generation = store.begin_generation()
    generation.load([(NEW, b"y")])
    generation.discard()
    generation.discard()
    assert [path.name for path in (tmp_path / "root").glob("new-*")] == []
    assert rows(store) == [OLD]
    await store.close()


async def test_a_failing_last_look_changes_nothing(tmp_path: Path) -> None:
    store = await filled(tmp_path)
    generation = store.begin_generation()

    def last(_live: RawRows) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.replace(generation, last)
    generation.discard()
    await store.write(lambda raw: raw.put(NEW, b"y"))
    await store.close()
    assert rows(opened(tmp_path)) == [NEW, OLD]


async def test_a_crash_after_the_commit_is_completed_by_the_next_who_opens(
    tmp_path: Path,
) -> None:
    store = await filled(tmp_path)
    generation = store.begin_generation()
    generation.load([(NEW, b"y")])
    generation.keep()
    name = generation.name.encode()
    await store.write(lambda raw: raw.put(SUCCESSOR, name))
    generation.discard()
    await store.close()
    assert (tmp_path / "root" / "CURRENT").read_text() == "gen-000001\n"
    again = opened(tmp_path)
    assert rows(again) == [NEW]
    assert (tmp_path / "root" / "CURRENT").read_text() == "gen-000002\n"
    layout.promote(tmp_path / "root", "gen-000002")  # by another, at the same time
    await again.close()
    assert rows(opened(tmp_path)) == [NEW]


async def test_one_generation_is_built_at_a_time(tmp_path: Path) -> None:
    store = await filled(tmp_path)
    generation = store.begin_generation()
    with pytest.raises(Unavailable, match="another restore"):
        store.begin_generation()
    generation.discard()
    store.begin_generation().discard()
    await store.close()


async def test_one_that_could_not_be_begun_keeps_no_other_from_being(tmp_path: Path) -> None:
    store = await filled(tmp_path)

    def full(_: object) -> NoReturn:
        raise OSError(ENOSPC, "no space left")

    with pytest.raises(OSError, match="no space"):
        LMDBGeneration(tmp_path / "root", full, full, FreeSpace(tmp_path, 0, SystemClock()))
    store.begin_generation().discard()
    await store.close()


async def test_discarding_again_leaves_alone_what_another_has_begun(tmp_path: Path) -> None:
    store = await filled(tmp_path)
    first = store.begin_generation()
    first.discard()
    second = store.begin_generation()
    first.discard()
    assert second.path.is_dir()
    second.discard()
    await store.close()
