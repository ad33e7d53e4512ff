"""One time limit for many waits at once, with one timer for all of them.

`asyncio.timeout` sets and takes back a timer for each wait: 7 µs of every request with a body,
which nearly always is there already.
"""

import asyncio
from typing import Any


class Deadlines:
    """Cancels tasks that wait longer than `seconds`. One event loop's thread uses it."""

    __slots__ = ("_ends", "_seconds", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends: dict[asyncio.Task[Any], float] = {}  # in loop time; the first ends first
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> asyncio.Task[Any]:
        """The running task begins to wait; it must `end` that."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task has a deadline")
        loop = task.get_loop()
        self._ends[task] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._look)
        return task

    def missed(self, task: asyncio.Task[Any]) -> bool:
        """Whether a task that was cancelled, and has not ended, was so by this and nobody else."""
        return task not in self._ends and task.uncancel() == 0

    def end(self, task: asyncio.Task[Any]) -> None:
        """The wait is over."""
        self._ends.pop(task, None)

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        for task, at in list(self._ends.items()):
            if at > loop.time():
                self._timer = loop.call_at(at, self._look)
                return
            del self._ends[task]
            task.cancel()
