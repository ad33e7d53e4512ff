"""Owns the way of a record to the devices: what waits for it goes on once one device has kept it.

All records of one turn of the event loop go to each device as one batch. A device that fails is
counted, told in the log, and tried again with the next batch; one that hangs is passed over until
it is back.

A large record takes long to make. Where many were made in one turn, that turn would outlast the
patience of whoever watches the process, and the deadline of all that is recorded in it. So after
one, the broker is `crowded` until the turn is over: who has a request to begin waits till then.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from custody.audit.counters import Counters
from custody.audit.device import Broken, Device, DeviceFailed, Reopenable, Searchable
from custody.audit.encode import Encoder
from custody.audit.entry import Entry, RequestEntry
from custody.audit.kinds import Kind
from custody.audit.options import flag, form_of
from custody.audit.shapes import Format
from custody.audit.table import AuditTable, DeviceConfig
from custody.base.clock import NANOSECOND, Clock
from custody.base.errors import AuditFailed, BadRequest
from custody.base.ids import Source, new_uuid

DEADLINE_NS: Final = 2 * NANOSECOND
_QUIET_NS: Final = 60 * NANOSECOND
_LARGE: Final = 64 * 1024  # bytes of a record
_GRACE_TURNS: Final = 4  # from a thread's answer to its batch being settled, and one more
_log = logging.getLogger(__name__)


class _Slot:
    """A device with its encoder and counts."""

    __slots__ = (
        "config", "counters", "device", "encoder", "hangs", "path", "quiet_until_ns", "told",
    )  # fmt: skip

    def __init__(
        self, path: str, config: DeviceConfig, form: Format, device: Device, counters: Counters
    ) -> None:
        self.path = path
        self.config = config
        self.device = device
        self.encoder = Encoder(config.key, form)
        self.counters = counters
        self.hangs = False
        self.told = False  # that it fails is in the log, and not that it keeps records again
        self.quiet_until_ns = 0  # on the boot clock

    def fails(self, reason: str, now_ns: int) -> None:
        """Log why it keeps no record, once a minute: each refused request has the same reason."""
        self.counters.last_error = reason
        if now_ns >= self.quiet_until_ns:
            self.quiet_until_ns = now_ns + _QUIET_NS
            self.told = True
            _log.error("audit device %s keeps no records: %s", self.path, reason)

    def keeps(self) -> None:
        """Log that it keeps records again, where that it did not is in the log."""
        self.told = False
        _log.info("audit device %s keeps records again", self.path)


class _Batch:
    """The records of one turn: a list per device, and who waits for each record."""

    __slots__ = ("deadline_ns", "lines", "pending", "slots", "waiters")

    def __init__(self, slots: tuple[_Slot, ...], deadline_ns: int) -> None:
        self.slots = slots
        self.deadline_ns = deadline_ns  # on the boot clock, of its first record
        self.lines: tuple[list[bytes], ...] = tuple([] for _ in slots)
        # As many as records: None where the waiter of a later record of the same call waits.
        self.waiters: list[asyncio.Future[None] | None] = []
        self.pending: set[_Slot] = set()

    def accept(self, count: int) -> None:
        """The first `count` records are kept."""
        for waiter in self.waiters[:count]:
            if waiter is not None and not waiter.done():
                waiter.set_result(None)

    def fail(self, reason: str) -> None:
        """What is not kept by now is not kept."""
        for waiter in self.waiters:
            if waiter is not None and not waiter.done():
                waiter.set_exception(AuditFailed(reason))


class Broker:
    """The node's audit devices, as this process sees them. Belongs to one event loop."""

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        clock: Clock,
        source: Source,
        *,
        deadline_ns: int = DEADLINE_NS,
    ) -> None:
        self.counters: dict[str, Counters] = {}  # by the device's path, for metrics
        self._kinds = kinds
        self._clock = clock
        self._source = source
        self._deadline_ns = deadline_ns
        self._table: AuditTable | None = None
        self._slots: dict[str, _Slot] = {}
        self._batch: _Batch | None = None  # gathers
        self._flying: _Batch | None = None  # the last handed on, while no device has kept it
        self._open: deque[_Batch] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._running: set[asyncio.Future[None]] = set()
        self.crowded = False  # a large record was made in this turn of the event loop

    def use(self, table: AuditTable) -> None:
        """Record to the devices of `table` from now on; returns at once if it is the same object.

        Records taken before go to the devices of the table before.
        """
        if table is self._table:
            return
        self._hand_on()
        slots = {path: self._slot(path, config) for path, config in table.devices.items()}
        for path, old in self._slots.items():
            if slots.get(path) is not old:
                old.device.stop()
        self._slots = slots
        self._table = table

    def record(self, *entries: Entry) -> asyncio.Future[None]:
        """Done once at least one device has kept `entries`; at once if the table is empty.

        Entries of one call follow each other on a device, and a device that kept the last of them
        kept them all. Raises AuditFailed if no table is in use, and once it is awaited if no device
        has within the deadline.
        """
        slots = self._slots
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        if not slots:
            if self._table is None:
                raise AuditFailed("the audit devices are not known yet")
            waiter.set_result(None)
            return waiter
        # All is encoded before any is added: an entry that cannot be leaves the batch whole.
        records = [[slot.encoder.encode(each) for each in entries] for slot in slots.values()]
        if len(records[0][-1]) > _LARGE and not self.crowded:
            self.crowded = True
            loop.call_soon(self._next_turn)
        batch = self._batch
        if batch is None:
            # From here on, not from when it is handed on: what gathers behind a slow device, or
            # lies while the process is stopped, must not be written after others gave it up.
            deadline_ns = self._clock.boot_ns() + self._deadline_ns
            batch = self._batch = _Batch(tuple(slots.values()), deadline_ns)
            loop.call_soon(self._flush)
        for lines, encoded in zip(batch.lines, records, strict=True):
            lines.extend(encoded)
        batch.waiters.extend((None,) * (len(entries) - 1))
        batch.waiters.append(waiter)
        return waiter

    def hash(self, path: str, text: str) -> str:
        """What `text` looks like in the records of the device at `path`. Raises BadRequest."""
        slot = self._slots.get(path)
        if slot is None:
            raise BadRequest(f'unknown audit backend "{path}"')
        return slot.encoder.hash(text)

    async def probe(self, path: str, config: DeviceConfig) -> None:
        """Write a test record to a device about to be enabled. Raises BadRequest with the reason.

        Does nothing if the options say skip_test.
        """
        form = form_of(config.options)
        if flag(config.options, "skip_test", default=False):
            return
        now = self._clock.now_ns()
        test = RequestEntry(
            time_ns=now, id=new_uuid(self._source), operation="update", path="sys/audit/test"
        )
        device = self._make(path, config)
        try:
            deadline = self._clock.boot_ns() + self._deadline_ns
            accepted = device.accept([Encoder(config.key, form).encode(test)], deadline)
            async with asyncio.timeout(self._deadline_ns / NANOSECOND):
                await accepted
        except (DeviceFailed, TimeoutError) as error:
            reason = str(error) or "no answer before the deadline"
            raise BadRequest(f"audit device failed test message: {reason}") from error
        finally:
            device.stop()

    async def contains(self, event_ids: set[str], since_ns: int) -> set[str]:
        """Those of `event_ids` that some device already holds. Raises DeviceFailed."""
        found: set[str] = set()
        for slot in self._slots.values():
            if isinstance(slot.device, Searchable) and found != event_ids:
                found |= await slot.device.contains(event_ids - found, since_ns)
        return found

    def reopen(self) -> None:
        """Let every device open its file anew (SIGHUP)."""
        for slot in self._slots.values():
            if isinstance(slot.device, Reopenable):
                slot.device.reopen()

    async def close(self) -> None:
        """Finish what was taken, but wait for no device that hangs, and end the devices.

        From then on every record is refused.
        """
        self._hand_on()
        for slot in self._slots.values():
            await slot.device.close()
        if self._running:
            await asyncio.wait(self._running, timeout=self._deadline_ns / NANOSECOND)
        await asyncio.sleep(0)
        for batch in self._open:
            batch.fail("the audit devices are closed")
        if self._timer is not None:
            self._timer.cancel()

    def _slot(self, path: str, config: DeviceConfig) -> _Slot:
        known = self._slots.get(path)
        if known is not None and known.config == config:
            return known
        counters = self.counters.setdefault(path, Counters())
        try:
            form = form_of(config.options)
            device = self._make(path, config)
        except BadRequest as error:
            form, device = Format(), Broken(str(error))
        return _Slot(path, config, form, device, counters)

    def _make(self, path: str, config: DeviceConfig) -> Device:
        kind = self._kinds.get(config.type)
        if kind is None:
            raise BadRequest(f'unknown backend type: "{config.type}"')
        return kind.make(path, config.options, self._clock, self._source)

    def _next_turn(self) -> None:
        self.crowded = False

    def _flush(self) -> None:
        """Hand on what has gathered, unless no device has kept the batch before that yet.

        Under load a batch so grows while the one before it is written: fewer batches, fewer
        wakings of threads, and no record waits longer than it would have in the device's queue.
        """
        if self._flying is None:
            self._hand_on()

    def _hand_on(self) -> None:
        batch, self._batch = self._batch, None
        if batch is None:
            return
        batch.pending.update(slot for slot in batch.slots if not slot.hangs)
        for slot, lines in zip(batch.slots, batch.lines, strict=True):
            if slot.hangs:
                slot.counters.failed += len(lines)
                continue
            taken = asyncio.ensure_future(slot.device.accept(lines, batch.deadline_ns))
            self._running.add(taken)
            taken.add_done_callback(self._settler(batch, slot))
        if not batch.pending:
            batch.fail("every audit device hangs")
            return
        self._flying = batch
        self._open.append(batch)
        if self._timer is None:
            self._arm(batch.deadline_ns - self._clock.boot_ns())

    def _settler(self, batch: _Batch, slot: _Slot) -> Callable[[asyncio.Future[None]], None]:
        def settle(taken: asyncio.Future[None]) -> None:
            self._running.discard(taken)
            slot.hangs = False
            kept = _accepted(taken, len(batch.waiters))
            batch.accept(kept)
            batch.pending.discard(slot)
            if not batch.pending:
                batch.fail("no audit device accepted the record")
            if kept or not batch.pending:
                self._land(batch)
            while self._open and not self._open[0].pending:  # what is settled is not kept
                self._open.popleft()
            # Last, since it logs: nobody waits for ever because a line could not be logged.
            self._count(slot, taken, kept, len(batch.waiters))

        return settle

    def _count(self, slot: _Slot, taken: asyncio.Future[None], kept: int, size: int) -> None:
        counters = slot.counters
        counters.batches += 1
        counters.accepted += kept
        counters.failed += size - kept
        if kept < size:
            error = None if taken.cancelled() else taken.exception()
            reason = str(error) if isinstance(error, DeviceFailed) else "device defect"
            slot.fails(reason, self._clock.boot_ns())
        elif slot.told:
            slot.keeps()

    def _land(self, batch: _Batch) -> None:
        """A device has kept `batch`, or none will: what gathered meanwhile may go."""
        if self._flying is batch:
            self._flying = None
            self._hand_on()

    def _arm(self, delay_ns: int) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(delay_ns, 0) / NANOSECOND, self._ring, _GRACE_TURNS)

    def _ring(self, turns: int) -> None:
        """Expire after `turns` of the loop: one that was stalled has answers to hear first."""
        if turns:
            asyncio.get_running_loop().call_soon(self._ring, turns - 1)
        else:
            self._expire()

    def _expire(self) -> None:
        """Fail the batches whose deadline has passed; their devices hang until they settle."""
        self._timer = None
        now = self._clock.boot_ns()
        hung: list[_Slot] = []
        while self._open and (not self._open[0].pending or self._open[0].deadline_ns <= now):
            batch = self._open.popleft()
            for slot in batch.pending:
                slot.hangs = True
                hung.append(slot)
            batch.fail("no audit device accepted the record before the deadline")
            self._land(batch)
        if self._open:
            self._arm(self._open[0].deadline_ns - now)
        for slot in hung:
            slot.fails("no answer before the deadline", now)


def _accepted(taken: asyncio.Future[None], size: int) -> int:
    """How many of the batch's first records a settled device has kept."""
    if taken.cancelled():
        return 0
    error = taken.exception()
    if error is None:
        return size
    return error.accepted if isinstance(error, DeviceFailed) else 0
