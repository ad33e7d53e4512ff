"""What every process does before it reads anything."""

import os
import select
import subprocess
import sys

import pytest

from custody.serve import handoff
from custody.serve.handoff import Handoff
from custody.serve.settings import Settings

_HARDEN = """
import resource
from custody.serve import handoff
print(handoff.dumpable(), end=" ")
handoff.harden()
print(handoff.dumpable(), resource.getrlimit(resource.RLIMIT_CORE))
"""
_PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
print(child.pid, child.stdout.readline().decode().strip(), flush=True)
"""
_CHILD = """
import os, time
from custody.serve import handoff
handoff.die_with(os.getppid())
print("tied", flush=True)
time.sleep(60)
"""
_ORPHAN = """
import os
from custody.serve import handoff
try:
    handoff.die_with(os.getpid())  # anyone but its parent
except handoff.ParentGone:
    print("refused")
"""


def _run(*words: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", *words], capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.strip()


def test_a_hardened_process_is_not_dumpable_and_leaves_no_core_file() -> None:
    assert _run(_HARDEN) == "True False (0, 0)"


def test_a_process_ends_with_its_parent() -> None:
    number, word = _run(_PARENT, _CHILD).split()
    assert word == "tied"
    try:
        ended = os.pidfd_open(int(number))
    except ProcessLookupError:
        return  # reaped already
    try:
        assert select.select([ended], [], [], 10)[0] == [ended]
    finally:
        os.close(ended)


def test_a_process_whose_parent_is_gone_already_does_not_start() -> None:
    assert _run(_ORPHAN) == "refused"


def test_a_handoff_is_read_back_and_its_descriptors_go_no_further() -> None:
    ends = [*os.pipe(), *os.pipe(), *os.pipe()]
    for end in ends:
        os.set_inheritable(end, True)  # noqa: FBT003 - positional only
    given = Handoff(
        role="worker",
        slot=2,
        parent=os.getpid(),
        page=ends[0],
        life=ends[1],
        custodian=ends[2],
        listeners=[ends[3]],
        board=ends[4],
        settings=Settings(data_path="/data", listeners=[]),
    )
    fd = handoff.write(given)
    assert handoff.read(fd) == given
    assert not any(os.get_inheritable(end) for end in ends[:5])
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    for end in ends:
        os.close(end)
