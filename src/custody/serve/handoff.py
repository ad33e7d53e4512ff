"""What the supervisor hands a process that it starts, and what every process does first.

Nothing is told by environment and argv carries one number, the descriptor of an unlinked memory
file with the handoff as JSON. A process hardens itself before it reads anything else: not
dumpable, no core file, ends with its parent.
"""

import ctypes
import faulthandler
import os
import resource
import signal

import msgspec

from custody.base import log
from custody.serve import journal
from custody.serve.page import Page
from custody.serve.settings import Settings

_PR_SET_PDEATHSIG = 1
_PR_GET_DUMPABLE = 3
_PR_SET_DUMPABLE = 4
_CHUNK = 1 << 16
READY = b"r"  # what a process writes to its life pipe
BAD_CONFIGURATION = 78  # EX_CONFIG of sysexits.h: starting again would not help


class Handoff(msgspec.Struct, frozen=True, kw_only=True):
    """One process's start: who it is, which descriptors it inherits, the configuration.

    `board` is where the supervisor posts changed settings (see `serve.reload`).
    `custodian` is the stream to the custodian (for the custodian: its control socket to the
    supervisor), `life` the pipe on which it says that it is ready, and where it was if it crashes.
    """

    role: str
    slot: int
    parent: int
    page: int
    board: int
    life: int
    custodian: int
    listeners: list[int] = []
    settings: Settings
    shut: bool = False  # for the custodian: not to open by itself
    processor: int | None = None  # that a worker keeps to

    @property
    def inherited(self) -> tuple[int, ...]:
        """The descriptors that it names."""
        return (self.page, self.board, self.life, self.custodian, *self.listeners)


class ParentGone(Exception):
    """The supervisor died before this process could tie its life to it."""


def write(handoff: Handoff) -> int:
    """The descriptor of a memory file that holds `handoff`."""
    fd = os.memfd_create("custody-handoff", os.MFD_CLOEXEC)
    os.write(fd, msgspec.json.encode(handoff))
    return fd


def read(fd: int) -> Handoff:
    """The handoff in `fd`, which is closed. Inherited descriptors are closed on another exec."""
    data, offset = b"", 0
    while chunk := os.pread(fd, _CHUNK, offset):
        data, offset = data + chunk, offset + len(chunk)
    os.close(fd)
    handoff = msgspec.json.decode(data, type=Handoff)
    for inherited in handoff.inherited:
        os.set_inheritable(inherited, False)  # noqa: FBT003 - positional only
    return handoff


def harden() -> None:
    """No core file, no ptrace or /proc/self/mem by others of the same user. Raises OSError."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)
    if dumpable():
        raise OSError("cannot make the process non-dumpable")


def dumpable() -> bool:
    """Whether the kernel would write this process's memory to a core file."""
    return _prctl(_PR_GET_DUMPABLE, 0) != 0


def die_with(parent: int) -> None:
    """SIGKILL when the parent's thread ends. Raises ParentGone if that has happened already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise ParentGone


def raise_file_limit() -> int:
    """Raise the soft limit of open files to the hard one; the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def enter(argument: str) -> Handoff:
    """The first act of a process: harden, take the handoff, log under the role's name.

    From then on a crash is told to the supervisor, by the places in the code and no values.
    Signals of the terminal are the supervisor's to answer. Raises OSError, ParentGone.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    harden()
    handoff = read(int(argument))
    die_with(handoff.parent)
    faulthandler.enable(handoff.life)
    settings = handoff.settings
    log.configure(handoff.role, settings.log_level, settings.log_format, settings.loggers)
    Page(handoff.page).slot(handoff.slot).count_lost_lines()
    journal.write(handoff.page, handoff.slot, handoff.role)
    return handoff


def _prctl(option: int, value: int) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    outcome: int = library.prctl(option, value, 0, 0, 0)
    if outcome < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return outcome
