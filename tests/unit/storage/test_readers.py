"""Reader slots: a closed snapshot has none, whoever still holds it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from custody.barrier.barrier import Barrier
from custody.barrier.keyring import new_keyring
from custody.base.clock import SystemClock
from custody.base.ids import SystemSource
from custody.base.store import Table
from custody.storage.lmdb import MAX_READERS, LMDBStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LMDBStore]:
    """An open store."""
    opened = LMDBStore.open(tmp_path, stamp=lambda _: None, clock=SystemClock(), low_water=0)
    yield opened
    asyncio.run(opened.close())


def test_closed_snapshots_that_are_still_held_take_no_slot(store: LMDBStore) -> None:
    held = []
    for _ in range(MAX_READERS + 1):
        with store.snapshot() as rows:
            assert rows.get(b"key") is None
            held.append(rows)
    with pytest.raises(RuntimeError, match="closed"):
        held[0].get(b"key")


def test_closed_views_that_are_still_held_take_no_slot(store: LMDBStore) -> None:
    clock, source = SystemClock(), SystemSource()
    barrier = Barrier(store, clock, source)
    barrier.install(new_keyring(clock.now_ns(), source))
    held = []
    for _ in range(MAX_READERS + 1):
        with barrier.snapshot() as rows:
            assert rows.get(Table.SETTING, b"key") is None
            held.append(rows)
    with pytest.raises(RuntimeError, match="closed"):
        held[0].get(Table.SETTING, b"key")


def test_snapshots_that_a_failure_passed_through_take_no_slot(store: LMDBStore) -> None:
    failures = []
    for _ in range(MAX_READERS + 1):
        try:
            _fail_in_a_snapshot(store)
        except KeyError as error:
            failures.append(error)
    assert len(failures) > MAX_READERS


def _fail_in_a_snapshot(store: LMDBStore) -> None:
    with store.snapshot() as rows:
        raise KeyError(rows.get(b"key"))
