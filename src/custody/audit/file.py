"""Owns the file device: a thread that appends batches to one file, and one that syncs it."""

import asyncio
import contextlib
import os
import queue
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, cast, get_args

from custody.audit.appender import Appender
from custody.audit.device import DeviceFailed
from custody.audit.file_options import FileOptions, Policy
from custody.audit.history import find_events
from custody.audit.options import form_of
from custody.audit.stream import Discard, Stream
from custody.base.clock import NANOSECOND, Clock
from custody.base.duration import parse_ns
from custody.base.errors import BadRequest
from custody.base.ids import Source

_STDOUT: Final = 1
_NO_FILE: Final = frozenset({"stdout", "discard"})
_CLOSE_SECONDS: Final = 5.0
_MERGED: Final = 64  # batches written as one when the thread has fallen behind
_LARGEST_MODE: Final = 0o666
_SHORTEST_INTERVAL_NS: Final = 10_000_000
_NEVER: Final = 2**63


class Sink(Protocol):
    """What the device's thread writes to; raises DeviceFailed."""

    def append(self, records: Sequence[bytes]) -> None:
        """Keep `records`."""
        ...

    def sync(self) -> None:
        """Bring them to the disk."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


class _Work:
    """A batch and who waits for it."""

    __slots__ = ("batch", "deadline_ns", "future", "loop")

    def __init__(
        self,
        batch: Sequence[bytes],
        deadline_ns: int,
        loop: asyncio.AbstractEventLoop,
        future: asyncio.Future[None],
    ) -> None:
        self.batch = batch
        self.deadline_ns = deadline_ns
        self.loop = loop
        self.future = future


class FileDevice:
    """A device that writes to `sink` on a thread of its own; see `Device` for its promises.

    The fsync policy: `none` leaves it to the kernel, `interval` syncs on a second thread (a sync
    takes milliseconds, and no record waits for it), `always` syncs before a batch is accepted.
    """

    def __init__(self, sink: Sink, options: FileOptions, clock: Clock) -> None:
        self._sink = sink
        self._options = options
        self._clock = clock
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._ended = threading.Event()
        self._writer = threading.Thread(target=self._run, name="audit-file", daemon=True)
        self._writer.start()
        if options.fsync == "interval":
            threading.Thread(target=self._sync, name="audit-sync", daemon=True).start()

    def accept(self, batch: Sequence[bytes], deadline_ns: int) -> asyncio.Future[None]:
        """Keep `batch`; see `Device.accept`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        if self._stopped.is_set():
            future.set_exception(DeviceFailed("the device is closed"))
        else:
            self._queue.put(_Work(batch, deadline_ns, loop, future))
        return future

    async def contains(self, event_ids: set[str], since_ns: int) -> set[str]:
        """Those of `event_ids` recorded since `since_ns`, in this file or one rotated from it."""
        path = self._options.file_path
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, find_events, path, event_ids, since_ns)

    def reopen(self) -> None:
        """Look at the path now, not only with the next batch."""
        self.accept((), _NEVER).add_done_callback(_forget)

    def stop(self) -> None:
        """Take no more, finish what was taken, end."""
        if not self._stopped.is_set():
            self._stopped.set()
            self._queue.put(None)

    async def close(self) -> None:
        """Stop, and wait up to five seconds for the end."""
        self.stop()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._ended.wait, _CLOSE_SECONDS)

    def _run(self) -> None:
        """The thread: append what comes until told to stop."""
        more = True
        while more:
            works, more = self._gather()
            if works:  # told to stop, it must not look at its file: that may make a new one
                _resolve(works, self._serve(works))
        self._ended.set()
        self._sink.close()

    def _gather(self) -> tuple[list[_Work], bool]:
        """Wait for a batch and take those behind it; false when the device is to end."""
        works = []
        item = self._queue.get()
        while item is not None:
            works.append(item)
            if len(works) == _MERGED or self._queue.empty():
                return works, True
            item = self._queue.get()
        return works, False

    def _serve(self, works: Sequence[_Work]) -> list[DeviceFailed | None]:
        """Append the batches whose deadline has not passed; what to tell each."""
        now = self._clock.boot_ns()
        timely = [work.deadline_ns > now for work in works]
        records = [
            record
            for work, live in zip(works, timely, strict=True)
            if live
            for record in work.batch
        ]
        failure = self._append(records)
        kept = len(records) if failure is None else failure.accepted
        answers: list[DeviceFailed | None] = []
        for work, live in zip(works, timely, strict=True):
            if not live:
                answers.append(DeviceFailed("the deadline passed before it was written"))
                continue
            size = len(work.batch)
            whole = failure is None or kept >= size > 0
            answers.append(None if whole else DeviceFailed(str(failure), max(kept, 0)))
            kept -= size
        return answers

    def _append(self, records: Sequence[bytes]) -> DeviceFailed | None:
        try:
            self._sink.append(records)
            if self._options.fsync == "always":
                self._sink.sync()
        except DeviceFailed as failure:
            return failure
        except Exception as error:  # noqa: BLE001  # a defect fails the batch, never the thread
            return DeviceFailed(f"device defect: {type(error).__name__}")
        return None

    def _sync(self) -> None:
        """The other thread: sync at each interval until the writer has ended."""
        while not self._ended.wait(self._options.fsync_interval_ns / NANOSECOND):
            with contextlib.suppress(DeviceFailed):  # the sink refuses or marks what comes next
                self._sink.sync()


def _resolve(works: Sequence[_Work], answers: Sequence[DeviceFailed | None]) -> None:
    """Tell the loop, in one call, what became of the batches."""
    told: dict[asyncio.AbstractEventLoop, list[tuple[_Work, DeviceFailed | None]]] = {}
    for work, answer in zip(works, answers, strict=True):
        told.setdefault(work.loop, []).append((work, answer))
    for loop, pairs in told.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed; nobody waits
            loop.call_soon_threadsafe(_tell, pairs)


def _tell(pairs: Sequence[tuple[_Work, DeviceFailed | None]]) -> None:
    for work, failure in pairs:
        if work.future.done():
            continue
        if failure is None:
            work.future.set_result(None)
        else:
            work.future.set_exception(failure)


def _forget(done: asyncio.Future[None]) -> None:
    if not done.cancelled():
        done.exception()


def check_file(options: Mapping[str, str]) -> None:
    """Raise BadRequest unless a file device can be made with `options`."""
    parse_options(options)


def check_outside(options: Mapping[str, str], folder: str) -> None:
    """Raise BadRequest if the device would write below `folder`, also by way of a symbolic link."""
    path = parse_options(options).file_path
    below = Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    if below and path not in _NO_FILE:
        raise BadRequest("file_path is inside the data directory")


def check_alone(options: Mapping[str, str], others: Mapping[str, Mapping[str, str]]) -> None:
    """Raise BadRequest if one of `others` (options by the device's path) writes to the same file.

    Two devices on a file would each take the other's lines for those of a stranger.
    """
    file = _real(options)
    for path, theirs in others.items():
        if file and _real(theirs) == file:
            raise BadRequest(f"file_path is the file of the audit device at {path} already")


def _real(options: Mapping[str, str]) -> str:
    """The file itself, by whatever names it is reached; "" where there is none."""
    path = _plain_path(_named(options))
    return "" if path in _NO_FILE or not path else os.path.realpath(path)


def make_file(path: str, options: Mapping[str, str], clock: Clock, source: Source) -> FileDevice:
    """The file device with `options`; its file is opened by its first batch. Raises BadRequest."""
    del path
    parsed = parse_options(options)
    writer = source.random(8).hex()
    sink: Sink
    if parsed.file_path == "discard":
        sink = Discard()
    elif parsed.file_path == "stdout":
        sink = Stream(_STDOUT, writer)
    else:
        sink = Appender(parsed.file_path, parsed.mode, writer, clock)
    return FileDevice(sink, parsed, clock)


def parse_options(options: Mapping[str, str]) -> FileOptions:
    """The options read. Raises BadRequest with Vault's text where it has one."""
    file_path = _named(options)
    if not file_path:
        raise BadRequest("file_path is required")
    fsync = options.get("fsync") or "interval"
    if fsync not in get_args(Policy):
        raise BadRequest(f'fsync: "{fsync}" is not none, interval or always')
    interval = parse_ns(options.get("fsync_interval") or "1s")
    if interval < _SHORTEST_INTERVAL_NS:
        raise BadRequest("fsync_interval: less than 10ms")
    form_of(options)
    return FileOptions(
        file_path=_plain_path(file_path),
        mode=_mode(options.get("mode") or "0600"),
        fsync=cast("Policy", fsync),
        fsync_interval_ns=interval,
    )


def _named(options: Mapping[str, str]) -> str:
    return options.get("file_path") or options.get("path") or ""


def _plain_path(text: str) -> str:
    if text.lower() in {"stdout", "/dev/stdout"}:
        return "stdout"
    if text.lower() in {"discard", "/dev/null"}:
        return "discard"
    if "\0" in text:
        raise BadRequest("file_path: a null character")
    return text


def _mode(text: str) -> int:
    try:
        mode = int(text, 8)
    except ValueError as error:
        raise BadRequest(f'mode: "{text}" is not an octal number') from error
    if not 0 <= mode <= _LARGEST_MODE or mode & 0o111:
        raise BadRequest(f'mode: "{text}" is not a mode of a file that nobody executes')
    return mode
