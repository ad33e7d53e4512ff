"""Starting a server as a child that cannot outlive this process, and ending it again."""

import ctypes
import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

CUSTODY = Path(sys.executable).with_name("custody")

_PR_SET_PDEATHSIG = 1  # prctl(2)
_LIBC = ctypes.CDLL(None, use_errno=True)
_GRACE = 20.0  # seconds from SIGTERM to SIGKILL


def start(command: Sequence[str | Path], log: Path | None = None) -> subprocess.Popen[bytes]:
    """Run `command` in a process group of its own, its output into `log` or where ours goes.

    A Control-C at the terminal does not reach it: whoever started it passes on what it should get.
    """
    output = None if log is None else log.open("ab")
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            process_group=0,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - no thread was started yet
        )
    finally:
        if output is not None:
            output.close()


def stop(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> int:
    """End it with that signal, and with SIGKILL if that takes too long; its exit status."""
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now. Raises OSError when the address is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == 1:  # the parent ended before the call above
        os._exit(1)
