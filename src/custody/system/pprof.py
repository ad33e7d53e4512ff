"""`sys/pprof`: what this process does, as far as Python can say it, under the names clients know.

The answers are text and not Go's format, which describes another runtime. They name code and types
and never a value. Each is of the process that happens to answer, which it names.
"""

import asyncio
import gc
import os
import sys
import threading
import time
import traceback
from collections import Counter
from types import FrameType
from typing import Annotated, Final, NoReturn

from custody.base.errors import BadRequest, NotFound, TooManyRequests
from custody.core.act import Act
from custody.plugin.fields import Duration, Fields
from custody.plugin.request import Reply, Request
from custody.plugin.route import Op, Route, acts

_MAX_SECONDS: Final = 60
_INTERVAL: Final = 0.01  # seconds between two samples
_TYPES: Final = 100
_DEPTH: Final = 64
_TEXT: Final = "text/plain; charset=utf-8"
_PROFILES: Final = {
    "allocs": "objects in memory by type, as heap",
    "cmdline": "how the process was started",
    "goroutine": "the stacks of threads and the tasks that wait",
    "heap": "objects in memory by type",
    "profile": "where time goes: stacks, sampled for ?seconds",
    "threadcreate": "the threads",
}
_SAMPLING: Final = threading.Lock()  # one at a time: each holds a thread that requests wait for
_ABSENT: Final = ("block", "mutex", "symbol", "trace")


class ProfileFields(Fields, frozen=True, kw_only=True):
    """For how long."""

    seconds: Annotated[Duration, "How long a profile is taken, 1 to 60 seconds."] = Duration(30)


async def index(_request: Request, _act: Act) -> Reply:
    """What there is."""
    lines = [f"{name:14}{text}" for name, text in _PROFILES.items()]
    return _text([*lines, "", f"not in a Python process: {', '.join(_ABSENT)}"])


async def cmdline(_request: Request, _act: Act) -> Reply:
    """How the process was started."""
    return _text(["\0".join(sys.orig_argv)])


async def goroutine(_request: Request, _act: Act) -> Reply:
    """The stacks of threads, and where tasks wait."""
    lines = []
    for thread, frame in sorted(_threads().items()):
        lines += [f"thread {thread}:", *_stack(frame), ""]
    for task in asyncio.all_tasks():
        lines += [f"task {task.get_name()}:", *(_place(one) for one in task.get_stack()), ""]
    return _text(lines)


async def heap(_request: Request, _act: Act) -> Reply:
    """Objects in memory by type: those that the collector knows."""
    counted = await asyncio.to_thread(lambda: Counter(map(_type, gc.get_objects())))
    return _text([f"{count:10} {name}" for name, count in counted.most_common(_TYPES)])


async def profile(request: Request, _act: Act) -> Reply:
    """Where time goes: one line for each stack, outermost first, and how often it was met."""
    fields: ProfileFields = request.body
    if not 0 < fields.seconds <= _MAX_SECONDS:
        raise BadRequest(f"seconds is from 1 to {_MAX_SECONDS}")
    counted = await asyncio.to_thread(_sample, int(fields.seconds))
    return _text([f"{stack} {count}" for stack, count in counted.most_common()])


async def threadcreate(_request: Request, _act: Act) -> Reply:
    """The threads."""
    return _text([f"{one.ident} {one.name}" for one in threading.enumerate()])


async def absent(_request: Request, _act: Act) -> NoReturn:
    """What Go's runtime knows and Python's does not."""
    raise NotFound("a Python process has no such profile")


def _sample(seconds: int) -> Counter[str]:
    """The stacks that were met. Raises TooManyRequests.

    `_SAMPLING` is taken and given back here, in the thread: a request that is given up while it
    waits for one leaves nothing behind.
    """
    if not _SAMPLING.acquire(blocking=False):
        raise TooManyRequests("another profile is being taken of this process")
    own, end = threading.get_ident(), time.monotonic() + seconds
    counted: Counter[str] = Counter()
    try:
        while time.monotonic() < end:
            for ident, frame in sys._current_frames().items():  # noqa: SLF001 - documented as it is
                if ident != own:
                    counted[";".join(reversed(_stack(frame)))] += 1
            time.sleep(_INTERVAL)
    finally:
        _SAMPLING.release()
    return counted


def _threads() -> dict[str, FrameType]:
    names = {one.ident: one.name for one in threading.enumerate()}
    frames = sys._current_frames()  # noqa: SLF001 - documented as it is
    return {f"{ident} {names.get(ident, '?')}": frame for ident, frame in frames.items()}


def _stack(frame: FrameType | None) -> list[str]:
    """The places of a stack, innermost first."""
    return [_place(one) for one, _ in list(traceback.walk_stack(frame))[:_DEPTH]]


def _place(frame: FrameType) -> str:
    code = frame.f_code
    return f"{frame.f_globals.get('__name__', '?')}.{code.co_name}:{frame.f_lineno}"


def _type(value: object) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"


def _text(lines: list[str]) -> Reply:
    head = f"process {os.getpid()}"
    return Reply(content="\n".join([head, *lines, ""]).encode(), content_type=_TEXT)


_MEDIA: Final = ("text/plain",)
_RUN: Final = {
    "allocs": heap,
    "cmdline": cmdline,
    "goroutine": goroutine,
    "heap": heap,
    "profile": profile,
    "threadcreate": threadcreate,
}

ROUTES: Final = (
    Route("pprof", {Op.READ: acts(index, ProfileFields, media=_MEDIA)}, raw=True,
          help="What can be known of a process at work."),
    *(
        Route(f"pprof/{name}", {Op.READ: acts(run, ProfileFields, media=_MEDIA)}, raw=True,
              help=f"Of the process that answers: {_PROFILES[name]}.")
        for name, run in _RUN.items()
    ),
    *(
        Route(f"pprof/{name}", {Op.READ: acts(absent, ProfileFields)}, raw=True,
              help="A profile of Go's runtime; there is none here.")
        for name in _ABSENT
    ),
)  # fmt: skip
