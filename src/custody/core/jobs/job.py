"""What the steward runs: jobs that do a bounded piece of work, say when to come back, and keep none
of their progress outside the store."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Final, NoReturn, Protocol, TypeVar

from custody.base.store import Rows, Transaction

T = TypeVar("T")

POLL: Final = 1.0  # seconds: another process may make work at any time
LONGEST: Final = 60.0  # seconds between two runs, and between two tries of a failing one
MAX_KEYS: Final = 500  # changed by one transaction of a job


class JobStore(Protocol):
    """The barrier, as jobs use it."""

    def snapshot(self) -> AbstractContextManager[Rows]:
        """A snapshot; it must be closed before the next await."""
        ...

    def write(self, job: Callable[[Transaction], T], *, essential: bool = False) -> Awaitable[T]:
        """Run `job` in a transaction; its value once the commit is durable."""
        ...


class Job(Protocol):
    """One kind of work that never ends."""

    @property
    def name(self) -> str:
        """The word for it in logs and metrics."""
        ...

    async def run(self) -> float:
        """Do at most one batch; answers after how many seconds to come back (0: at once)."""
        ...


class Alarm:
    """Wakes a job that sleeps, when its own process knows of new work."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def nudge(self) -> None:
        """End the current sleep, or the next if none is under way."""
        self._event.set()

    async def sleep(self, seconds: float) -> None:
        """Until nudged, at most `seconds`; always lets others run first."""
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return
        self._event.clear()


async def keep_running(
    job: Job, alarm: Alarm, failed: Callable[[str, Exception], None]
) -> NoReturn:
    """Run `job` for ever; a failure is handed to `failed` and tried again, ever more slowly."""
    delay = POLL
    while True:
        try:
            wait = await job.run()
            delay = POLL
        except Exception as error:  # noqa: BLE001 whatever it was, the work must go on
            failed(job.name, error)
            wait, delay = delay, min(2 * delay, LONGEST)
        await alarm.sleep(min(wait, LONGEST))
