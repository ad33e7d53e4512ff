"""The file device as a whole: real files, threads and processes."""

import asyncio
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.audit.entries import changed

from custody.audit.broker import Broker
from custody.audit.device import DeviceFailed
from custody.audit.entry import RequestEntry, ResponseEntry
from custody.audit.file import FileDevice, check_file, make_file
from custody.audit.file_options import FileOptions
from custody.audit.kinds import KINDS, Kind
from custody.audit.stream import Stream
from custody.audit.table import AuditTable, DeviceConfig
from custody.audit.verify import verify
from custody.base.clock import Clock, SystemClock
from custody.base.errors import AuditFailed, BadRequest
from custody.base.ids import Source, SystemSource

Tables = Callable[..., AuditTable]
CLOCK = SystemClock()
FAR = 2**63 - 1


def lines(*paths: Path) -> list[bytes]:
    return [line for path in paths for line in path.read_bytes().split(b"\n") if line.strip()]


def faults(*paths: Path) -> set[str]:
    return {finding.fault for finding in verify(lines(*paths))}


def fresh(entry: RequestEntry, name: str) -> RequestEntry:
    return changed(entry, id=name)


class Recorder:
    """A sink whose thread can be held, or made to fail."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.appends: list[int] = []
        self.syncs = 0
        self.error: Exception | None = None
        self.free = threading.Event()
        self.free.set()
        self.entered = threading.Event()
        self.closed = threading.Event()
        self.synced = threading.Event()

    def append(self, records: Sequence[bytes]) -> None:
        self.entered.set()
        self.free.wait(10)
        self.appends.append(len(records))
        if self.error is not None:
            raise self.error
        self.kept += records

    def sync(self) -> None:
        self.syncs += 1
        self.synced.set()

    def close(self) -> None:
        self.closed.set()


def device(sink: Recorder, **options: Any) -> FileDevice:
    return FileDevice(sink, FileOptions(file_path="x", **options), CLOCK)


def test_both_records_of_a_request_reach_the_file_and_its_chain_holds(
    request_entry: RequestEntry, file_table: Tables, tmp_path: Path
) -> None:
    async def run() -> None:
        broker = Broker(KINDS, CLOCK, SystemSource())
        broker.use(file_table("a", "b"))
        await broker.record(request_entry)
        now = CLOCK.now_ns()
        answer = ResponseEntry(time_ns=now, request=request_entry, event_id="event-1")
        await broker.record(answer)
        assert await broker.contains({"event-1", "event-2"}, now) == {"event-1"}
        await broker.close()
        with pytest.raises(AuditFailed):
            await broker.record(fresh(request_entry, "late"))

    asyncio.run(run())
    for name in ("a.log", "b.log"):
        kept = [json.loads(line) for line in lines(tmp_path / name)]
        assert [record["type"] for record in kept] == ["request", "response"]
        assert [record["chain"]["seq"] for record in kept] == [1, 2]
        assert faults(tmp_path / name) == set()


def test_what_waits_while_the_thread_is_busy_is_written_at_once() -> None:
    async def run() -> None:
        sink = Recorder()
        slow = device(sink)
        sink.free.clear()
        first = slow.accept([b"1"], FAR)
        await asyncio.to_thread(sink.entered.wait, 10)
        rest = [slow.accept([b"2", b"3"], FAR) for _ in range(10)]
        sink.free.set()
        await asyncio.gather(first, *rest)
        assert sink.appends == [1, 20]
        await slow.close()

    asyncio.run(run())


def test_of_batches_written_at_once_each_hears_its_own_part() -> None:
    async def run() -> None:
        sink = Recorder()
        full = device(sink)
        sink.free.clear()
        first = full.accept([b"1"], FAR)
        await asyncio.to_thread(sink.entered.wait, 10)
        late = full.accept([b"l"], 0)
        rest = [full.accept([b"2", b"3"], FAR) for _ in range(3)]
        sink.error = DeviceFailed("full", accepted=3)
        sink.free.set()
        answers = await asyncio.gather(first, late, *rest, return_exceptions=True)
        accepted = [a.accepted if isinstance(a, DeviceFailed) else a for a in answers]
        assert accepted == [None, 0, None, 1, 0]
        await full.close()

    asyncio.run(run())


def test_a_defect_in_the_sink_fails_the_batch_and_not_the_thread() -> None:
    async def run() -> None:
        sink = Recorder()
        robust = device(sink)
        sink.error = ZeroDivisionError("planted-secret")
        with pytest.raises(DeviceFailed, match=r"^device defect: ZeroDivisionError$"):
            await robust.accept([b"1"], FAR)
        sink.error = None
        await robust.accept([b"2"], FAR)
        assert sink.kept == [b"2"]
        await robust.close()

    asyncio.run(run())


def test_a_batch_whose_deadline_has_passed_is_not_written() -> None:
    async def run() -> None:
        sink = Recorder()
        punctual = device(sink)
        with pytest.raises(DeviceFailed, match="deadline"):
            await punctual.accept([b"1"], CLOCK.boot_ns() - 1)
        assert sink.kept == []
        await punctual.close()

    asyncio.run(run())


def test_closing_writes_what_was_taken_and_refuses_more() -> None:
    async def run() -> None:
        sink = Recorder()
        closing = device(sink)
        taken = [closing.accept([b"%d" % n], FAR) for n in range(200)]
        await closing.close()
        await asyncio.gather(*taken)
        assert len(sink.kept) == 200
        assert sink.closed.wait(10)
        with pytest.raises(DeviceFailed, match="closed"):
            await closing.accept([b"x"], FAR)

    asyncio.run(run())


def test_a_device_that_is_closed_makes_no_file_in_the_place_of_one_that_is_gone(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        device = make_file("d/", {"file_path": str(path)}, CLOCK, SystemSource())
        await device.accept([b'{"n":1}'], FAR)
        path.unlink()
        path.parent.rmdir()
        await device.close()

    path = tmp_path / "folder" / "a.log"
    asyncio.run(run())
    assert not path.parent.exists()


def test_a_loop_that_is_gone_does_not_end_the_thread() -> None:
    sink = Recorder()

    async def leave() -> tuple[FileDevice, asyncio.Future[None]]:
        left = device(sink)
        sink.free.clear()
        return left, left.accept([b"1"], FAR)

    left, unheard = asyncio.run(leave())
    assert not unheard.done()
    sink.free.set()

    async def stay() -> None:
        await left.accept([b"2"], FAR)
        await left.close()

    asyncio.run(stay())
    assert sink.kept == [b"1", b"2"]


def test_the_policies_sync_always_at_intervals_or_never() -> None:
    async def run() -> None:
        always, interval, never = Recorder(), Recorder(), Recorder()
        devices = [
            device(always, fsync="always"),
            device(interval, fsync="interval", fsync_interval_ns=10_000_000),
            device(never, fsync="none"),
        ]
        for each in devices:
            await each.accept([b"1"], FAR)
        assert always.syncs == 1
        assert await asyncio.to_thread(interval.synced.wait, 10)
        assert never.syncs == 0
        for each in devices:
            await each.close()

    asyncio.run(run())


def test_a_probe_writes_a_test_record_or_says_why_it_cannot(tmp_path: Path) -> None:
    async def run() -> None:
        broker = Broker(KINDS, CLOCK, SystemSource())
        good = DeviceConfig(type="file", key=b"k" * 32, options={"file_path": str(path)})
        await broker.probe("file/", good)
        bad = msgspec.structs.replace(good, options={"file_path": str(tmp_path)})
        with pytest.raises(BadRequest, match="Is a directory"):
            await broker.probe("file/", bad)
        await broker.probe(
            "file/", msgspec.structs.replace(bad, options={**bad.options, "skip_test": "true"})
        )

    path = tmp_path / "a.log"
    asyncio.run(run())
    [line] = lines(path)
    assert json.loads(line)["request"]["path"] == "sys/audit/test"


@pytest.mark.parametrize("name", ["discard", "/dev/null"])
def test_a_discarding_device_accepts_all(name: str) -> None:
    async def run() -> None:
        discard = make_file("d/", {"file_path": name}, CLOCK, SystemSource())
        await discard.accept([b"{}"], FAR)
        await discard.close()

    asyncio.run(run())


PRINTS = """
import asyncio
from custody.audit.file import make_file
from custody.base.clock import Clock, SystemClock
from custody.base.ids import SystemSource
async def run():
    device = make_file("d/", {"file_path": "stdout"}, SystemClock(), SystemSource())
    await device.accept([b'{"n":1}', b'{"n":2}'], 2**63)
    await device.close()
asyncio.run(run())
"""


def test_records_can_go_to_standard_output() -> None:
    done = subprocess.run([sys.executable, "-c", PRINTS], check=True, capture_output=True)  # noqa: S603  # our own text
    printed = done.stdout.splitlines()
    assert [json.loads(line)["n"] for line in printed] == [1, 2]
    assert verify(printed) == []


def test_a_full_pipe_delays_no_record_that_a_file_keeps(
    request_entry: RequestEntry, tmp_path: Path
) -> None:
    reader, writer = os.pipe()

    def make(path: str, options: Mapping[str, str], clock: Clock, source: Source) -> FileDevice:
        if path == "file/":
            return make_file(path, options, clock, source)
        return FileDevice(Stream(writer, "w"), FileOptions(file_path="stdout"), clock)

    def drain() -> None:
        while os.read(reader, 65536):
            pass

    async def run() -> None:
        kinds = {"both": Kind(check_file, make)}
        broker = Broker(kinds, CLOCK, SystemSource(), deadline_ns=200_000_000)
        options = {"file_path": str(tmp_path / "a.log")}
        config = DeviceConfig(type="both", key=b"k" * 32, options=options)
        broker.use(AuditTable(devices={"file/": config, "pipe/": config}))
        for number in range(200):
            async with asyncio.timeout(5):
                await broker.record(fresh(request_entry, str(number)))
        draining = threading.Thread(target=drain)
        draining.start()
        await broker.close()
        os.close(writer)
        draining.join()

    asyncio.run(run())
    os.close(reader)
    assert len(lines(tmp_path / "a.log")) == 200


def test_a_reopen_looks_at_the_path_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        device = make_file("d/", {"file_path": str(path)}, CLOCK, SystemSource())
        await device.accept([b'{"n":1}'], FAR)
        path.rename(tmp_path / "old.log")
        device.reopen()
        await device.close()

    path = tmp_path / "a.log"
    asyncio.run(run())
    assert [json.loads(line)["type"] for line in lines(path)] == ["gap"]


WRITES = """
import asyncio, sys
from custody.audit.broker import Broker
from custody.audit.kinds import KINDS
from custody.audit.entry import RequestEntry
from custody.audit.stream import Stream
from custody.audit.table import AuditTable, DeviceConfig
from custody.base.clock import Clock, SystemClock
from custody.base.errors import AuditFailed
from custody.base.ids import SystemSource
path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
clock = SystemClock()
config = DeviceConfig(type="file", key=b"k" * 32, options={"file_path": path})
ids = []
async def task(broker, number):
    for at in range(count // 16):
        entry = RequestEntry(
            time_ns=clock.now_ns(), id=f"{name}-{number}-{at}", operation="read", path="p"
        )
        while entry.id not in ids[-64:]:
            try:
                await broker.record(entry)
                ids.append(entry.id)
            except AuditFailed:
                await asyncio.sleep(0.001)
async def main():
    broker = Broker(KINDS, clock, SystemSource())
    broker.use(AuditTable(devices={"f/": config}))
    await asyncio.gather(*(task(broker, number) for number in range(16)))
    await broker.close()
asyncio.run(main())
print(*ids)
"""


class Writers:
    """Processes that record through brokers of their own until each has kept `count` records."""

    def __init__(self, path: Path, count: int, processes: int = 2) -> None:
        self.running = [
            subprocess.Popen(  # noqa: S603  # our own interpreter and text
                [sys.executable, "-c", WRITES, str(path), f"p{number}", str(count)],
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(processes)
        ]

    def acknowledged(self) -> list[str]:
        """The ids of all records that were acknowledged, once all processes have ended."""
        ids = []
        for process in self.running:
            out, _ = process.communicate(timeout=120)
            assert process.returncode == 0
            ids += out.split()
        return ids

    def wrote(self, path: Path, more: int) -> bool:
        """Wait until the file at `path` has `more` bytes; false once all processes have ended."""
        while any(process.poll() is None for process in self.running):
            if path.is_file() and path.stat().st_size >= more:
                return True
            time.sleep(0.002)  # another process's file: there is no event to wait for
        return False


def recorded(*paths: Path) -> list[str]:
    found = [json.loads(line) for line in lines(*paths)]
    return [record["request"]["id"] for record in found if "request" in record]


def test_two_processes_append_2000_records_each_and_every_chain_holds(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    acknowledged = Writers(path, 2000).acknowledged()
    assert len(acknowledged) == 4000
    assert sorted(recorded(path)) == sorted(acknowledged)
    assert faults(path) == set()
    assert len({json.loads(line)["chain"]["writer"] for line in lines(path)}) == 2


def rename(path: Path, old: Path) -> None:
    path.rename(old)


def remove(path: Path, old: Path) -> None:
    with path.open("rb") as held:
        path.unlink()
        time.sleep(0.01)  # let what is being written reach the old file, then keep what it held
        old.write_bytes(held.read())


def truncate(path: Path, old: Path) -> None:
    with path.open("rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as a rotator must: else what is copied is not all
        old.write_bytes(held.read())
        held.truncate(0)


def replace_by_folder(path: Path, old: Path) -> None:
    path.rename(old)
    path.mkdir()
    time.sleep(0.02)  # long enough for batches to fail
    path.rmdir()


@pytest.mark.parametrize("harm", [rename, remove, truncate, replace_by_folder])
def test_whatever_befalls_the_file_no_acknowledged_record_is_missing(
    harm: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "audit.log"
    writers = Writers(path, 8000)
    rotated: list[Path] = []
    while len(rotated) < 8 and writers.wrote(path, 100_000):
        old = tmp_path / f"old.{len(rotated)}"
        harm(path, old)
        rotated.append(old)
    acknowledged = writers.acknowledged()
    assert len(acknowledged) == 16_000
    assert len(rotated) >= 3
    assert set(acknowledged) <= set(recorded(*rotated, path))
    for number, file in enumerate([*rotated[1:], path], 1):
        assert b'"type":"gap"' in file.read_bytes(), f"incident {number} left no gap record"
    if harm is not remove:  # what was in a removed file and not acknowledged is written again
        assert faults(*rotated, path) == {"gap"}
        assert len(recorded(*rotated, path)) == len(set(recorded(*rotated, path)))
    assert faults(path) == {"gap"}
