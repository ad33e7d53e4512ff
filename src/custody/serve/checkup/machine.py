"""The machine: its clock, its limits, and where memory may end up."""

import ctypes
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from custody.base.diagnosis import Diagnosis, warn, well
from custody.serve.settings import Settings

_CLOCK: Final = "clock"
_FILES: Final = "open files"
_MEMORY: Final = "memory"
_ENOUGH: Final = 16_384 + 512  # connections of a worker, and files that are none
_TIMEX_BYTES: Final = 256  # struct timex of adjtimex(2) is smaller
_TIME_ERROR: Final = 5  # its answer for a clock that nobody keeps


def clock_is_kept() -> Iterator[Diagnosis]:
    """Whether something keeps the clock right: lives of tokens and certificates hang on it."""
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    if state == _TIME_ERROR:
        yield warn(
            _CLOCK,
            "nothing keeps this machine's clock",
            "run a time service (chrony, systemd-timesyncd)",
        )
    elif state >= 0:
        yield well(_CLOCK, "this machine's clock is kept")


def open_files(settings: Settings) -> Iterator[Diagnosis]:
    """Whether a worker may have as many connections open as are to be expected."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH * len(settings.listeners)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        yield warn(
            _FILES,
            f"a process may open {hard} files, {wanted} are advised",
            "raise it where the server is started: LimitNOFILE=131072, or ulimit -n",
        )
    else:
        yield well(_FILES, f"a process may open {hard} files")


def memory() -> Iterator[Diagnosis]:
    """Whether keys in memory can get to a disk."""
    swaps = Path("/proc/swaps").read_text().splitlines()[1:]
    if swaps:
        yield warn(
            _MEMORY,
            "swap is on: keys in memory can get to a disk",
            "swapoff -a, encrypt it, or run the server with MemorySwapMax=0",
        )
    else:
        yield well(_MEMORY, "no swap: keys in memory stay there")
    yield well(_MEMORY, "no process of the server leaves a core file: each forbids it to itself")
