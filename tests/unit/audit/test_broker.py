"""A record is kept by at least one device, or the caller is told that it is not."""

import asyncio
import gc
import logging
import threading
from collections.abc import Mapping, Sequence

import pytest
from tests.unit.audit.entries import changed

from custody.audit.broker import Broker
from custody.audit.device import DeviceFailed
from custody.audit.encode import Encoder
from custody.audit.entry import RequestEntry
from custody.audit.kinds import Kind
from custody.audit.shapes import Format
from custody.audit.table import AuditTable, DeviceConfig
from custody.base.clock import Clock, SystemClock
from custody.base.errors import AuditFailed, BadRequest
from custody.base.ids import Source, SystemSource

SECOND = 1_000_000_000


class FakeDevice:
    """Keeps what it is given, or fails, or waits until it is let go."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.batches = 0
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.settled = asyncio.Event()
        self.stopped = False
        self.deadlines: list[int] = []

    async def accept(self, batch: Sequence[bytes], deadline_ns: int) -> None:
        self.deadlines.append(deadline_ns)
        self.batches += 1
        await self.gate.wait()
        if self.error is not None:
            kept = self.error.accepted if isinstance(self.error, DeviceFailed) else 0
            self.kept += batch[:kept]
            raise self.error
        self.kept += batch
        self.settled.set()

    def stop(self) -> None:
        self.stopped = True

    async def close(self) -> None:
        self.stop()


class Bench:
    """A broker over fake devices, by path."""

    def __init__(self, *paths: str, deadline_ns: int = 5 * SECOND) -> None:
        self.devices: dict[str, FakeDevice] = {}
        kinds = {"fake": Kind(_anything, self._make), "picky": Kind(_anything, _refuse)}
        self.broker = Broker(kinds, SystemClock(), SystemSource(), deadline_ns=deadline_ns)
        self.use(*paths)

    def use(self, *paths: str, kind: str = "fake", key: bytes = b"k" * 32) -> AuditTable:
        config = DeviceConfig(type=kind, key=key)
        table = AuditTable(devices=dict.fromkeys(paths, config))
        self.broker.use(table)
        return table

    def _make(
        self, path: str, options: Mapping[str, str], clock: Clock, source: Source
    ) -> FakeDevice:
        del options, clock, source
        self.devices[path] = FakeDevice()
        return self.devices[path]


def _anything(options: Mapping[str, str]) -> None:
    del options


def _refuse(path: str, options: Mapping[str, str], clock: Clock, source: Source) -> FakeDevice:
    del path, options, clock, source
    raise BadRequest("not with these options")


def fresh(entry: RequestEntry, name: str = "r") -> RequestEntry:
    return changed(entry, id=name)


def test_all_records_of_one_turn_of_the_loop_are_one_batch(request_entry: RequestEntry) -> None:
    async def run() -> None:
        bench = Bench("a/")
        entries = [fresh(request_entry, str(n)) for n in range(50)]
        await asyncio.gather(*(bench.broker.record(entry) for entry in entries))
        device = bench.devices["a/"]
        assert (device.batches, len(device.kept)) == (1, 50)
        assert bench.broker.counters["a/"].accepted == 50

    asyncio.run(run())


def test_without_devices_a_record_returns_at_once(request_entry: RequestEntry) -> None:
    async def run() -> None:
        await Bench().broker.record(request_entry)

    asyncio.run(run())


def test_each_device_gets_the_record_under_its_own_key(request_entry: RequestEntry) -> None:
    async def run() -> None:
        bench = Bench()
        keys = {"a/": b"a" * 32, "b/": b"b" * 32}
        bench.broker.use(
            AuditTable(
                devices={path: DeviceConfig(type="fake", key=key) for path, key in keys.items()}
            )
        )
        await bench.broker.record(request_entry)
        for path, key in keys.items():
            expected = Encoder(key, Format()).encode(fresh(request_entry, request_entry.id))
            assert bench.devices[path].kept == [expected]
            assert bench.broker.hash(path, "x") == Encoder(key, Format()).hash("x")
        with pytest.raises(BadRequest, match=r'^unknown audit backend "f/"$'):
            bench.broker.hash("f/", "x")

    asyncio.run(run())


@pytest.mark.parametrize("error", [DeviceFailed("full"), ValueError("a defect")])
def test_one_device_that_fails_is_made_up_for_by_another(
    error: Exception, request_entry: RequestEntry
) -> None:
    async def run() -> None:
        bench = Bench("a/", "b/")
        bench.devices["a/"].error = error
        await bench.broker.record(request_entry)
        bench.devices["a/"].error = None
        await bench.broker.record(fresh(request_entry))
        counters = bench.broker.counters
        assert (counters["a/"].failed, counters["a/"].accepted) == (1, 1)
        assert counters["b/"].accepted == 2

    asyncio.run(run())


def test_when_every_device_fails_nothing_passes(request_entry: RequestEntry) -> None:
    async def run() -> None:
        bench = Bench("a/", "b/")
        for device in bench.devices.values():
            device.error = DeviceFailed("full")
        for number in range(3):
            with pytest.raises(AuditFailed):
                await bench.broker.record(fresh(request_entry, str(number)))
        assert bench.broker.counters["a/"].last_error == "full"

    asyncio.run(run())


def test_the_log_says_once_why_a_device_keeps_nothing_and_when_it_does_again(
    request_entry: RequestEntry, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        bench = Bench("good/", "bad/")
        bench.devices["bad/"].error = DeviceFailed("/srv/audit.log: Read-only file system")
        for _ in range(3):
            await bench.broker.record(request_entry)
        await asyncio.sleep(0)
        for error in (None, DeviceFailed("again"), None):
            bench.devices["bad/"].error = error
            await bench.broker.record(request_entry)
            await asyncio.sleep(0)

    with caplog.at_level(logging.INFO):
        asyncio.run(scene())
    assert [record.getMessage() for record in caplog.records] == [
        "audit device bad/ keeps no records: /srv/audit.log: Read-only file system",
        "audit device bad/ keeps records again",
    ]


class BrokenLog(logging.Handler):
    """Raises where something is logged."""

    def handle(self, record: logging.LogRecord) -> bool:
        raise RuntimeError(record.name)


@pytest.mark.parametrize("hangs", [False, True])
def test_who_waits_is_answered_also_where_that_a_device_fails_cannot_be_logged(
    request_entry: RequestEntry, *, hangs: bool
) -> None:
    async def scene() -> None:
        failures: list[object] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: failures.append(context.get("exception"))
        )
        bench = Bench("bad/", deadline_ns=SECOND // 20 if hangs else 60 * SECOND)
        bench.devices["bad/"].error = DeviceFailed("full")
        if hangs:
            bench.devices["bad/"].gate.clear()
        async with asyncio.timeout(10):
            with pytest.raises(AuditFailed, match=r"^no audit device accepted the record"):
                await bench.broker.record(request_entry)
        await asyncio.sleep(0)
        assert [type(failure) for failure in failures] == [RuntimeError]
        bench.devices["bad/"].gate.set()
        await asyncio.sleep(0.01)

    broken, log = BrokenLog(), logging.getLogger("custody.audit.broker")
    log.addHandler(broken)
    try:
        asyncio.run(scene())
    finally:
        log.removeHandler(broken)


def test_records_kept_before_a_batch_failed_are_acknowledged(request_entry: RequestEntry) -> None:
    async def run() -> None:
        bench = Bench("a/")
        bench.devices["a/"].error = DeviceFailed("full", accepted=2)
        entries = [fresh(request_entry, str(n)) for n in range(4)]
        answers = await asyncio.gather(
            *(bench.broker.record(entry) for entry in entries), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [
            type(None), type(None), AuditFailed, AuditFailed,
        ]  # fmt: skip

    asyncio.run(run())


def test_a_hanging_device_delays_nothing_when_another_accepts(
    request_entry: RequestEntry,
) -> None:
    async def run() -> None:
        bench = Bench("a/", "b/", deadline_ns=SECOND // 20)
        hanging, counters = bench.devices["a/"], bench.broker.counters["a/"]
        hanging.gate.clear()
        count = 0
        while not counters.failed:  # until the hanging one is passed over
            count += 1
            async with asyncio.timeout(1):
                await bench.broker.record(fresh(request_entry, str(count)))
        assert len(bench.devices["b/"].kept) == count
        hanging.gate.set()

    asyncio.run(run())


def test_an_answer_that_waits_while_the_loop_is_stalled_is_not_too_late(
    request_entry: RequestEntry,
) -> None:
    async def run() -> None:
        bench = Bench("a/", deadline_ns=SECOND // 100)
        recording = asyncio.ensure_future(bench.broker.record(request_entry))
        asyncio.get_running_loop().call_soon(stalled.wait, 0.05)
        await recording

    stalled = threading.Event()

    asyncio.run(run())


def test_a_device_that_hangs_alone_fails_at_the_deadline_and_then_at_once(
    request_entry: RequestEntry,
) -> None:
    async def run() -> None:
        bench = Bench("a/", deadline_ns=SECOND // 20)
        loop = asyncio.get_running_loop()
        device = bench.devices["a/"]
        device.gate.clear()
        began = loop.time()
        with pytest.raises(AuditFailed, match="deadline"):
            await bench.broker.record(request_entry)
        assert 0.04 < loop.time() - began < 2
        with pytest.raises(AuditFailed, match="hangs"):
            await bench.broker.record(fresh(request_entry))
        assert device.batches == 1
        device.gate.set()
        await device.settled.wait()
        await asyncio.sleep(0)
        await bench.broker.record(fresh(request_entry, "back"))
        assert device.batches == 2

    asyncio.run(run())


def test_the_deadline_of_a_record_does_not_move_while_it_waits_behind_another(
    request_entry: RequestEntry,
) -> None:
    async def run() -> None:
        bench = Bench("a/")
        device = bench.devices["a/"]
        device.gate.clear()
        first = asyncio.ensure_future(bench.broker.record(fresh(request_entry, "1")))
        for _ in range(3):
            await asyncio.sleep(0)
        assert device.batches == 1
        second = asyncio.ensure_future(bench.broker.record(fresh(request_entry, "2")))
        await asyncio.sleep(0)
        taken_ns = SystemClock().boot_ns()
        await asyncio.sleep(0.02)
        device.gate.set()
        await asyncio.gather(first, second)
        assert device.batches == 2
        assert device.deadlines[1] <= taken_ns + 5 * SECOND

    asyncio.run(run())


def test_records_that_are_kept_are_not_held_until_the_deadline(
    request_entry: RequestEntry,
) -> None:
    async def run() -> None:
        bench = Bench("a/")
        for number in range(10):
            await bench.broker.record(fresh(request_entry, str(number)))
        gc.collect()
        batches = [held for held in gc.get_objects() if type(held).__name__ == "_Batch"]
        assert len(batches) <= 2  # the last one, and the one that the loop's variables still hold

    asyncio.run(run())


def test_a_waiter_who_gives_up_disturbs_no_other(request_entry: RequestEntry) -> None:
    async def run() -> None:
        bench = Bench("a/")
        bench.devices["a/"].gate.clear()
        first = asyncio.ensure_future(bench.broker.record(fresh(request_entry, "1")))
        second = asyncio.ensure_future(bench.broker.record(fresh(request_entry, "2")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        bench.devices["a/"].gate.set()
        await second
        assert first.cancelled()
        assert len(bench.devices["a/"].kept) == 2

    asyncio.run(run())


def test_the_same_table_changes_nothing_and_an_equal_device_is_kept(
    request_entry: RequestEntry,
) -> None:
    async def run() -> None:
        bench = Bench()
        table = bench.use("a/", "b/")
        first = dict(bench.devices)
        bench.broker.use(table)
        bench.use("a/", "b/")
        assert bench.devices == first
        bench.use("a/")
        assert (first["a/"].stopped, first["b/"].stopped) == (False, True)
        bench.use("a/", key=b"n" * 32)
        assert first["a/"].stopped
        assert bench.devices["a/"] is not first["a/"]
        await bench.broker.record(request_entry)
        assert len(bench.devices["a/"].kept) == 1

    asyncio.run(run())


def test_records_taken_before_a_change_go_to_the_devices_of_then(
    request_entry: RequestEntry,
) -> None:
    async def run() -> None:
        bench = Bench("a/")
        waiting = asyncio.ensure_future(bench.broker.record(request_entry))
        await asyncio.sleep(0)
        bench.use("b/")
        await waiting
        assert len(bench.devices["a/"].kept) == 1
        assert bench.devices["b/"].kept == []

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["bogus", "picky"])
def test_a_stored_device_that_cannot_be_made_lets_nothing_pass(
    kind: str, request_entry: RequestEntry
) -> None:
    async def run() -> None:
        bench = Bench()
        bench.use("a/", kind=kind)
        with pytest.raises(AuditFailed):
            await bench.broker.record(request_entry)

    asyncio.run(run())


def test_data_that_cannot_be_encoded_raises_and_leaves_the_batch_whole(
    request_entry: RequestEntry,
) -> None:
    async def run() -> None:
        bench = Bench("a/", "b/")
        odd = changed(request_entry, data={"x": object()})
        good = bench.broker.record(request_entry)
        with pytest.raises(TypeError):
            await bench.broker.record(odd)
        await good
        assert [len(device.kept) for device in bench.devices.values()] == [1, 1]

    asyncio.run(run())


def test_closing_does_not_wait_for_a_device_that_hangs(request_entry: RequestEntry) -> None:
    async def run() -> None:
        bench = Bench("a/", deadline_ns=SECOND // 20)
        bench.devices["a/"].gate.clear()
        waiting = asyncio.ensure_future(bench.broker.record(request_entry))
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await bench.broker.close()
        with pytest.raises(AuditFailed):
            await waiting

    asyncio.run(run())


def test_before_a_table_is_known_nothing_passes(request_entry: RequestEntry) -> None:
    async def run() -> None:
        broker = Broker({}, SystemClock(), SystemSource())
        with pytest.raises(AuditFailed, match="not known yet"):
            await broker.record(request_entry)

    asyncio.run(run())


def test_closing_finishes_what_was_taken(request_entry: RequestEntry) -> None:
    async def run() -> None:
        bench = Bench("a/")
        waiting = asyncio.ensure_future(bench.broker.record(request_entry))
        await asyncio.sleep(0)
        await bench.broker.close()
        await waiting
        assert bench.devices["a/"].stopped
        assert len(bench.devices["a/"].kept) == 1

    asyncio.run(run())


async def test_after_a_large_record_the_broker_is_crowded_until_the_turn_is_over(
    request_entry: RequestEntry,
) -> None:
    bench = Bench("a/")
    for data, crowded in (({"k": "v" * 100_000}, False), ({"k": ["v"] * 1000}, True)):
        kept = bench.broker.record(changed(request_entry, data=data))
        assert bench.broker.crowded is crowded
        await asyncio.sleep(0)
        assert bench.broker.crowded is False
        await kept
