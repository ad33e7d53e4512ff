"""A server in memory whose audit can be made to act, and an engine that notes its calls."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Self

import msgspec

from custody.audit.broker import Broker
from custody.audit.device import DeviceFailed
from custody.audit.entry import Entry, RequestEntry
from custody.audit.kinds import Kind
from custody.base.clock import Clock
from custody.base.ids import Source
from custody.base.store import Table
from custody.core.act import Act
from custody.core.confine import MountStorage, MountTransaction
from custody.plugin.fields import Fields
from custody.plugin.request import Reply, Request
from custody.plugin.route import Engine, Op, Route, acts, reads, writes
from custody.storage.memory import MemoryStore
from custody.testing.server import HandClock, MemoryServer, Recorder

Hook = Callable[[], Awaitable[None]]
SECRET = "the-secret-value"


class ActingRecorder(Recorder):
    """A recorder that can be told what to refuse, and that can be searched."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses: Callable[[Mapping[str, Any]], bool] = lambda _record: False

    async def accept(self, batch: Sequence[bytes], deadline_ns: int) -> None:
        """Keep the batch, unless one of its records is refused."""
        if any(self.refuses(msgspec.json.decode(line)) for line in batch):
            raise DeviceFailed("refused")
        await super().accept(batch, deadline_ns)

    async def contains(self, event_ids: set[str], since_ns: int) -> set[str]:
        """Those of `event_ids` that a record carries."""
        del since_ns
        return event_ids & {record.get("custody", {}).get("event_id") for record in self.records}


class ActingBroker:
    """A broker that does something between a record and what waits for it.

    Not the device: while one batch is being kept no other is handed to it, so a device that waits
    for a request that is recorded, too, would wait for ever.
    """

    def __init__(self, kinds: Mapping[str, Kind], clock: Clock, source: Source) -> None:
        self._broker = broker = Broker(kinds, clock, source)
        self.use, self.hash, self.probe = broker.use, broker.hash, broker.probe
        self.contains, self.close = broker.contains, broker.close
        self._hooks: list[tuple[str, Hook]] = []

    @property
    def crowded(self) -> bool:
        """As the broker is."""
        return self._broker.crowded

    def upon(self, path: str, hook: Hook) -> None:
        """Await `hook` once, as soon as the record of a request to `path` is kept."""
        self._hooks.append((path, hook))

    async def record(self, *entries: Entry) -> None:
        """Record, then do what is to be done."""
        await self._broker.record(*entries)
        paths = [entry.path for entry in entries if isinstance(entry, RequestEntry)]
        for planned in [planned for planned in self._hooks if planned[0] in paths]:
            self._hooks.remove(planned)
            await planned[1]()


class NoteFields(Fields, frozen=True, kw_only=True):
    """A note."""

    text: str = ""


class Probe:
    """An engine that writes down each call, and how many records there were when it was called."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, int]] = []
        self.recorder: Recorder | None = None
        self.before_end: Hook | None = None
        self.prefetched: list[bytes] = []
        self.engine = Engine(
            kind="probe",
            routes=(
                Route(
                    "note/{name}",
                    {
                        Op.READ: reads(self._read),
                        Op.WRITE: writes(self._write, NoteFields, prepare=self._prepare),
                        Op.DELETE: writes(self._delete),
                    },
                    exists=self._exists,
                    help="A note.",
                ),
                Route("twice/{name}", {Op.WRITE: acts(self._twice)}, help="Two commits."),
                Route("stalled/{name}", {Op.WRITE: acts(self._stalled)}, help="Commits, stalls."),
            ),
        )

    def _note(self, request: Request) -> None:
        count = len(self.recorder.lines) if self.recorder else 0
        self.calls.append((request.op, request.path, count))

    def _exists(self, request: Request, rows: MountStorage) -> bool:
        return rows.get(request.params["name"].encode()) is not None

    def _prepare(self, request: Request, rows: MountStorage) -> None:
        rows.prefetch(request.params["name"].encode(), self.prefetched.append)

    def _read(self, request: Request, rows: MountStorage) -> Reply:
        self._note(request)
        text = rows.get(request.params["name"].encode()) or b""
        return Reply(data={"text": text.decode()})

    def _write(self, request: Request, txn: MountTransaction) -> None:
        self._note(request)
        txn.put(request.params["name"].encode(), request.body.text.encode())

    def _delete(self, request: Request, txn: MountTransaction) -> None:
        self._note(request)
        txn.delete(request.params["name"].encode())

    async def _twice(self, request: Request, act: Act) -> None:
        place = request.mount.id + request.params["name"].encode()
        await act.commit(lambda txn: txn.put(Table.ENGINE, place, b"one"))
        await act.commit(lambda txn: txn.put(Table.ENGINE, place, b"two"))

    async def _stalled(self, request: Request, act: Act) -> None:
        place = request.mount.id + request.params["name"].encode()
        await act.commit(lambda txn: txn.put(Table.ENGINE, place, b"one"))
        if self.before_end is not None:
            await self.before_end()


class Stage(MemoryServer):
    """The server, with a probe at probe/, an acting broker and an acting recorder."""

    recorder: ActingRecorder
    broker: ActingBroker
    clock: HandClock
    store: MemoryStore

    def __init__(self) -> None:
        self.probe = Probe()
        super().__init__(
            self.probe.engine, clock=HandClock(), store=MemoryStore(), broker=ActingBroker
        )
        self.recorder = ActingRecorder()
        self.probe.recorder = self.recorder

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        await self.mount("probe", "probe")
        return self

    async def note(self, name: str, text: str = SECRET) -> None:
        """Write a note as root."""
        path = f"probe/note/{name}"
        await self.expect(204, "POST", path, token=self.root_token, body={"text": text})

    async def noted(self, name: str) -> str:
        """The text of a note as root reads it."""
        answer = await self.expect(200, "GET", f"probe/note/{name}", token=self.root_token)
        text: str = answer.data["text"]
        return text

    def start(self) -> None:
        """Forget calls and records so far: the test begins."""
        self.probe.calls.clear()
        self.recorder.lines.clear()

    def rows(self, table: Table) -> list[bytes]:
        """The keys of a table."""
        return [place[1:] for place, _ in self.store.dump() if place[0] == table]

    def records(self, kind: str, path: str) -> list[dict[str, Any]]:
        """The records of one kind about one path."""
        return [
            record
            for record in self.recorder.records
            if record["type"] == kind and record["request"]["path"] == path
        ]
