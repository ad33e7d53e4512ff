"""LMDB below the contract: crashes, full disks, the stamp, and the order of commits."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import lmdb
import pytest

from custody.base.clock import SystemClock
from custody.base.errors import StorageFull, Unavailable
from custody.base.store import RawTransaction
from custody.storage.lmdb import LMDBStore
from custody.storage.writer import Job, Writer

WRITER = """
import asyncio, sys
from pathlib import Path
from custody.base.clock import SystemClock
from custody.storage.lmdb import LMDBStore

async def write(store, lane):
    n = 0
    while True:
        pair = [b"%s/%02d/%06d" % (side, lane, n) for side in (b"a", b"b")]
        await store.write(lambda raw: [raw.put(key, sys.argv[2].encode()) for key in pair] and None)
        sys.stdout.write(f"{lane} {n}\\n")
        sys.stdout.flush()
        n += 1

async def main():
    store = LMDBStore.open(
        Path(sys.argv[1]), stamp=lambda _: None, clock=SystemClock(), low_water=0,
        shard=sys.argv[2],
    )
    await asyncio.gather(*(write(store, lane) for lane in range(8)))

asyncio.run(main())
"""
HOLDER = """
import sys, time
from pathlib import Path
import lmdb
env = lmdb.open(sys.argv[1], map_size=1 << 40, max_readers=1024)
transaction = env.begin(write=True)
transaction.put(b"half", b"done")
reader = env.begin()
print("held", flush=True)
time.sleep(60)
"""


def python(code: str, *arguments: str) -> "subprocess.Popen[str]":
    """A process that runs `code`."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own code


def open_store(path: Path, stamp: Callable[[int], None] = lambda _: None) -> LMDBStore:
    """A store with nothing special."""
    return LMDBStore.open(path, stamp=stamp, clock=SystemClock(), low_water=0)


def rows_of(store: LMDBStore) -> dict[bytes, bytes]:
    """All rows."""
    with store.snapshot() as raw:
        return dict(raw.scan(b"\x00", b"\xff", 1_000_000))


def put(key: bytes, value: bytes = b"1") -> Callable[[RawTransaction], None]:
    """A job that sets one row."""
    return lambda raw: raw.put(key, value)


def test_acknowledged_writes_survive_kill_9_at_random_moments(tmp_path: Path) -> None:
    seed = Random(os.urandom(8))  # noqa: S311 - moments, not secrets
    for round_number in range(10):
        shard = f"r{round_number}"
        with python(WRITER, str(tmp_path), shard) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline()]
            timer = threading.Timer(seed.uniform(0.001, 0.15), process.kill)
            timer.start()
            lines += process.stdout.readlines()
            timer.join()
        assert process.returncode == -signal.SIGKILL
        store = LMDBStore.open(
            tmp_path, stamp=lambda _: None, clock=SystemClock(), low_water=0, shard=shard
        )
        rows = rows_of(store)
        asyncio.run(store.close())
        acknowledged = {tuple(line.split()) for line in lines if line.endswith("\n")}
        assert acknowledged
        for lane, number in acknowledged:
            for side in (b"a", b"b"):
                assert rows[b"%s/%02d/%06d" % (side, int(lane), int(number))] == shard.encode()
        sides = [{key[2:] for key in rows if key[:1] == side} for side in (b"a", b"b")]
        assert sides[0] == sides[1], "half a transaction"


def test_a_killed_writer_gives_its_lock_and_its_reader_back(tmp_path: Path) -> None:
    async def run() -> None:
        store = open_store(tmp_path)
        await store.write(put(b"before"))
        with python(HOLDER, str(store.path)) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            waiting = asyncio.ensure_future(store.write(put(b"after")))
            done, _ = await asyncio.wait([waiting], timeout=0.1)
            assert not done
            process.kill()
            await asyncio.wait_for(waiting, 10)
        assert set(rows_of(store)) == {b"before", b"after"}
        # Taking over the lock of a dead writer clears its reader too, or else this does.
        assert store.clear_dead_readers() in (0, 1)
        assert store.clear_dead_readers() == 0
        await store.close()

    asyncio.run(run())


def test_the_stamp_tells_of_the_lock_and_of_the_sync_and_is_cleared_after(tmp_path: Path) -> None:
    stamps: list[int] = []
    during: list[int] = []

    def job(raw: RawTransaction) -> None:
        during.append(stamps[-1])
        raw.put(b"k", b"v")

    async def run() -> None:
        store = open_store(tmp_path, stamps.append)
        before = SystemClock().boot_ns()
        await store.write(job)
        await store.close()
        assert before <= during[0] <= SystemClock().boot_ns()

    asyncio.run(run())
    assert stamps == [during[0], -during[0], 0]


def test_the_stamp_is_cleared_when_a_job_fails_too(tmp_path: Path) -> None:
    stamps: list[int] = []

    async def run() -> None:
        store = open_store(tmp_path, stamps.append)
        with pytest.raises(ValueError, match="a key has"):
            await store.write(put(b""))
        await store.close()

    asyncio.run(run())
    assert stamps[-1] == 0


def test_below_the_low_water_mark_only_essential_writes_are_taken(tmp_path: Path) -> None:
    async def run() -> None:
        store = LMDBStore.open(
            tmp_path, stamp=lambda _: None, clock=SystemClock(), low_water=1 << 62
        )
        with pytest.raises(StorageFull, match=str(tmp_path)):
            await store.write(put(b"new"))
        await store.write(put(b"mark"), essential=True)
        assert set(rows_of(store)) == {b"mark"}
        await store.close()

    asyncio.run(run())


def test_a_full_map_fails_those_in_the_commit_and_nobody_after(tmp_path: Path) -> None:
    async def run() -> None:
        store = open_store(tmp_path)
        await store.write(put(b"before"))
        store._env.set_mapsize(1 << 17)  # noqa: SLF001 - the nearest thing to a full disk
        with pytest.raises(StorageFull, match="is full"):
            await store.write(put(b"large", bytes(1 << 18)))
        await store.write(put(b"after"))
        assert set(rows_of(store)) == {b"before", b"after"}
        await store.close()

    asyncio.run(run())


_LIMITED = """
import asyncio, os, resource, signal, sys
from pathlib import Path
from custody.base.clock import SystemClock
from custody.base.errors import StorageFull
from custody.storage.lmdb import LMDBStore

def put(key, value):
    return lambda raw: raw.put(key, value)

async def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    store = LMDBStore.open(
        Path(sys.argv[1]), stamp=lambda _: None, clock=SystemClock(), low_water=0
    )
    await store.write(put(b"before", b""))
    size = os.stat(store.path / "data.mdb").st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        await store.write(put(b"large", bytes(1 << 20)))
    except StorageFull as error:
        print(*error.messages)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    await store.write(put(b"after", b""))
    with store.snapshot() as rows:
        print([key for key in (b"before", b"large", b"after") if rows.get(key) is not None])
    await store.close()

asyncio.run(main())
"""


def test_a_limit_on_what_may_be_written_is_as_a_full_disk(tmp_path: Path) -> None:
    with python(_LIMITED, str(tmp_path)) as limited:
        told, _ = limited.communicate(timeout=60)
    lines = told.splitlines()
    assert lines[0].endswith("is full")
    assert lines[1] == "[b'before', b'after']"


def test_what_was_accepted_is_committed_before_the_store_closes(tmp_path: Path) -> None:
    async def run() -> None:
        store = open_store(tmp_path)
        store.write_later(put(b"later"))
        tasks = [store.write(put(b"%d" % n)) for n in range(20)]
        await asyncio.sleep(0)
        await store.close()
        await asyncio.gather(*tasks)
        await store.close()
        with pytest.raises(Unavailable):
            await store.write(put(b"too late"))
        with pytest.raises(Unavailable):
            store.write_later(put(b"too late"))
        again = open_store(tmp_path)
        assert len(rows_of(again)) == 21
        await again.close()

    asyncio.run(run())


def test_a_later_job_that_fails_is_reported_to_the_loop(tmp_path: Path) -> None:
    async def run() -> None:
        store = open_store(tmp_path)
        reported: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: reported.set_result(context["exception"])
        )
        store.write_later(put(b""))
        assert isinstance(await asyncio.wait_for(reported, 5), ValueError)
        await store.close()

    asyncio.run(run())


class Reluctant:
    """An environment that does not give its lock the first few times."""

    def __init__(self, env: lmdb.Environment, times: int) -> None:
        self._env = env
        self.times = times
        self.path = env.path

    def begin(self, *, write: bool) -> lmdb.Transaction:
        if self.times:
            self.times -= 1
            raise lmdb.LockError("not now")
        return self._env.begin(write=write)


class NoRows:
    """An empty store."""

    def get(self, _key: bytes) -> bytes | None:
        return None

    def scan(self, _start: bytes, _stop: bytes, _limit: int) -> list[tuple[bytes, bytes]]:
        return []

    def keys(self, _start: bytes, _stop: bytes, _limit: int) -> list[bytes]:
        return []


def test_a_later_job_is_not_lost_with_a_lock_that_could_not_be_had(tmp_path: Path) -> None:
    async def run() -> None:
        env = lmdb.open(str(tmp_path))
        reluctant = Reluctant(env, times=2)
        given: Any = reluctant  # as much of an environment as a writer uses
        writer = Writer(given, lambda _: NoRows(), lambda _: None, SystemClock())
        ran = asyncio.Event()
        writer.later(Job(lambda _: ran.set(), None))
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        writer.submit(Job(put(b"now"), waiter))
        with pytest.raises(Unavailable, match="could not write"):
            await waiter
        async with asyncio.timeout(5):
            await ran.wait()
        reluctant.times = 2
        writer.later(Job(put(b"last"), None))
        async with asyncio.timeout(5):
            await writer.stop()

    asyncio.run(run())


def test_a_writer_whose_loop_has_gone_disturbs_nobody(tmp_path: Path) -> None:
    store = open_store(tmp_path)

    async def leave() -> None:
        waiting = asyncio.ensure_future(store.write(put(b"orphan")))
        await asyncio.sleep(0)
        assert not waiting.done()

    for _ in range(20):
        asyncio.run(leave())

    async def run() -> None:
        async with asyncio.timeout(10):
            await store.write(put(b"next"))
        assert b"next" in rows_of(store)
        await store.close()

    asyncio.run(run())


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    async def run() -> None:
        store = open_store(tmp_path / "data")
        await store.write(put(b"k"))
        await store.close()
        for path in (tmp_path / "data").rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path

    asyncio.run(run())
