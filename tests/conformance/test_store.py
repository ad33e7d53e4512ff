"""What every Store promises, run on each implementation."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from custody.base.clock import SystemClock
from custody.base.store import MAX_KEY, RawTransaction, Store
from custody.storage.lmdb import LMDBStore
from custody.storage.memory import MemoryStore

OpenStore = Callable[[Path], AbstractAsyncContextManager[Store]]


@asynccontextmanager
async def open_memory(path: Path) -> AsyncIterator[Store]:
    """A store in memory; the path is for those that need one."""
    del path
    yield MemoryStore()


@asynccontextmanager
async def open_lmdb(path: Path) -> AsyncIterator[Store]:
    """A store in LMDB below `path`."""
    store = LMDBStore.open(path, stamp=lambda _: None, clock=SystemClock(), low_water=0)
    try:
        yield store
    finally:
        await store.close()


pytestmark = pytest.mark.parametrize("open_store", [open_memory, open_lmdb])

KEYS = st.binary(min_size=1, max_size=3)
CHANGES = st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=4)), max_size=8)
RANGES = st.tuples(KEYS, KEYS, st.integers(0, 6))


class Undone(Exception):
    """Raised by a job on purpose."""


def put(*rows: tuple[bytes, bytes]) -> Callable[[RawTransaction], None]:
    """A job that sets rows."""

    def job(raw: RawTransaction) -> None:
        for key, value in rows:
            raw.put(key, value)

    return job


def rows_of(store: Store) -> list[tuple[bytes, bytes]]:
    """All rows, in order."""
    with store.snapshot() as raw:
        return raw.scan(b"\x00", b"\xff" * MAX_KEY, 100_000)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(CHANGES, RANGES, st.booleans()), max_size=6))
def test_a_store_behaves_as_a_dict_with_sorted_keys(
    open_store: OpenStore,
    tmp_path_factory: pytest.TempPathFactory,
    jobs: list[tuple[list[tuple[bytes, bytes | None]], tuple[bytes, bytes, int], bool]],
) -> None:
    async def run() -> None:
        model: dict[bytes, bytes] = {}
        async with open_store(tmp_path_factory.mktemp("store")) as store:
            for changes, (start, stop, limit), fails in jobs:
                draft = dict(model)

                def job(
                    raw: RawTransaction,
                    draft: dict[bytes, bytes] = draft,
                    changes: list[tuple[bytes, bytes | None]] = changes,
                    bounds: tuple[bytes, bytes, int] = (start, stop, limit),
                    *,
                    fails: bool = fails,
                ) -> None:
                    for key, value in changes:
                        assert raw.get(key) == draft.get(key)
                        if value is None:
                            assert raw.delete(key) == (draft.pop(key, None) is not None)
                        else:
                            raw.put(key, value)
                            draft[key] = value
                        assert raw.scan(*bounds) == scanned(draft, *bounds)
                        assert raw.keys(*bounds) == [key for key, _ in scanned(draft, *bounds)]
                    if fails:
                        raise Undone

                if fails:
                    with pytest.raises(Undone):
                        await store.write(job)
                else:
                    await store.write(job)
                    model = draft
                assert rows_of(store) == sorted(model.items())
                with store.snapshot() as raw:
                    found = scanned(model, start, stop, limit)
                    assert raw.scan(start, stop, limit) == found
                    assert raw.keys(start, stop, limit) == [key for key, _ in found]

    asyncio.run(run())


def scanned(
    model: dict[bytes, bytes], start: bytes, stop: bytes, limit: int
) -> list[tuple[bytes, bytes]]:
    """What a scan of the model gives."""
    return [(key, model[key]) for key in sorted(model) if start <= key < stop][:limit]


def test_a_job_that_raises_undoes_only_itself(open_store: OpenStore, tmp_path: Path) -> None:
    def fails(raw: RawTransaction) -> None:
        raw.put(b"k2", b"lost")
        raw.delete(b"k0")
        raise Undone

    async def run() -> None:
        async with open_store(tmp_path) as store:
            jobs = [put((b"k0", b"0")), put((b"k1", b"1")), fails, put((b"k3", b"3"))]
            results = await asyncio.gather(
                *(store.write(job) for job in jobs), return_exceptions=True
            )
            assert [type(result) for result in results] == [
                type(None),
                type(None),
                Undone,
                type(None),
            ]
            assert rows_of(store) == [(b"k0", b"0"), (b"k1", b"1"), (b"k3", b"3")]

    asyncio.run(run())


def test_concurrent_jobs_see_each_other_one_after_another(
    open_store: OpenStore, tmp_path: Path
) -> None:
    def increment(raw: RawTransaction) -> int:
        number = int(raw.get(b"n") or b"0") + 1
        raw.put(b"n", str(number).encode())
        return number

    async def run() -> None:
        async with open_store(tmp_path) as store:
            numbers = await asyncio.gather(*(store.write(increment) for _ in range(700)))
            assert sorted(numbers) == list(range(1, 701))
            assert rows_of(store) == [(b"n", b"700")]

    asyncio.run(run())


def test_a_snapshot_does_not_change_under_a_write(open_store: OpenStore, tmp_path: Path) -> None:
    async def run() -> None:
        async with open_store(tmp_path) as store:
            await store.write(put((b"a", b"1"), (b"b", b"1")))
            with store.snapshot() as before:
                await store.write(put((b"a", b"2"), (b"c", b"2")))
                assert before.get(b"a") == b"1"
                assert before.scan(b"a", b"z", 9) == [(b"a", b"1"), (b"b", b"1")]
                with store.snapshot() as after:
                    assert after.get(b"a") == b"2"
            assert [key for key, _ in rows_of(store)] == [b"a", b"b", b"c"]

    asyncio.run(run())


def test_what_is_written_later_arrives_without_another_write(
    open_store: OpenStore, tmp_path: Path
) -> None:
    async def run() -> None:
        async with open_store(tmp_path) as store:
            loop = asyncio.get_running_loop()
            arrived = asyncio.Event()

            def job(raw: RawTransaction) -> None:
                raw.put(b"later", b"1")
                loop.call_soon_threadsafe(arrived.set)

            store.write_later(job)
            await asyncio.wait_for(arrived.wait(), 5)
            await store.write(put((b"now", b"1")))
            assert rows_of(store) == [(b"later", b"1"), (b"now", b"1")]

    asyncio.run(run())


def test_a_key_of_the_greatest_length_is_kept_and_a_longer_one_refused(
    open_store: OpenStore, tmp_path: Path
) -> None:
    async def run() -> None:
        async with open_store(tmp_path) as store:
            longest = b"k" * MAX_KEY
            await store.write(put((longest, b"1")))
            assert rows_of(store) == [(longest, b"1")]
            for key in (longest + b"k", b""):
                with pytest.raises(ValueError, match="a key has"):
                    await store.write(put((key, b"1")))
            assert rows_of(store) == [(longest, b"1")]

    asyncio.run(run())


def test_a_cancelled_writer_does_not_disturb_the_others(
    open_store: OpenStore, tmp_path: Path
) -> None:
    async def run() -> None:
        async with open_store(tmp_path) as store:
            tasks = [asyncio.ensure_future(store.write(put((b"%d" % n, b"1")))) for n in range(9)]
            await asyncio.sleep(0)
            tasks[4].cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert [result for n, result in enumerate(results) if n != 4] == [None] * 8
            assert {b"%d" % n for n in range(9) if n != 4} <= {key for key, _ in rows_of(store)}

    asyncio.run(run())
