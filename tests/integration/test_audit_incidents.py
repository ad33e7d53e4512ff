"""What befalls an audit file under load: no answer without a record, and every commit has one.

An answer counts as recorded if any file holds its record, also one that was renamed, removed or
truncated since: the test keeps a hold on each.
"""

import contextlib
import fcntl
import os
import resource
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.harness import Server, decode, eventually

_CLIENTS = 4
_BROKEN_SECONDS = 0.4
_CALM_SECONDS = 0.2
_RECOVERY_SECONDS = 60.0
_RESERVE = 16 * 1024 * 1024  # bytes: more than the data of a test
_POLICY = 'path "secret/data/*" { capabilities = ["create", "update", "read"] }'


class Witness:
    """Clients that read and write, and note what was answered and when."""

    def __init__(self, server: Server, token: str) -> None:
        self.answered: list[str] = []  # request ids of answers that disclose or acknowledge
        self.times: list[tuple[float, float, int]] = []  # begin, end, status
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(server, token, number))
            for number in range(_CLIENTS)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the clients."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def statuses(self, begin: float, end: float) -> Counter[int]:
        """Of requests that lay wholly between those times."""
        return Counter(status for b, e, status in self.times if begin <= b and e <= end)

    def _ask(self, server: Server, token: str, number: int) -> None:
        with server.client(token) as client:
            while not self._stop.is_set():
                for method, body in (("POST", {"data": {"value": "x"}}), ("GET", None)):
                    begin = time.monotonic()
                    answer = client.call(method, f"secret/data/incident-{number}", body)
                    self.times.append((begin, time.monotonic(), answer.status))
                    if answer.status == 200:
                        self.answered.append(answer.request_id)
                    elif answer.status >= 500:
                        assert answer.body.keys() == {"errors"}


class Evidence:
    """Every file that ever was the audit file, and what was cut off them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: dict[int, int] = {}  # descriptors by inode
        self._saved: list[bytes] = []

    def hold(self) -> None:
        """Keep the file that the path names now."""
        fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        kept = self._held.setdefault(os.fstat(fd).st_ino, fd)
        if kept != fd:
            os.close(fd)

    def truncate(self) -> None:
        """Empty the file while no writer is at it; what it held is kept here."""
        self.hold()
        fd = self._held[self._path.stat().st_ino]
        fcntl.flock(fd, fcntl.LOCK_EX)
        try:
            self._saved.append(_content(fd))
            os.ftruncate(fd, 0)
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)

    def text(self) -> bytes:
        """All of it."""
        self.hold()
        return b"\n".join([*self._saved, *(_content(fd) for fd in self._held.values())])

    def close(self) -> None:
        """Let go."""
        for fd in self._held.values():
            os.close(fd)


@contextlib.contextmanager
def under_load(server: Server) -> Iterator[tuple[Witness, Evidence]]:
    """Clients at work; afterwards every answer and every commit has its record."""
    token = server.new_token(_POLICY, "incident")
    evidence = Evidence(server.audit)
    evidence.hold()
    witness = Witness(server, token)
    try:
        yield witness, evidence
        witness.stop()
        _check(server, witness, evidence)
    finally:
        witness.stop()
        evidence.close()


def test_no_answer_goes_unrecorded_whatever_befalls_the_file(node: Server) -> None:
    with under_load(node) as (witness, evidence):
        for befall in (_remove, _rename, _truncate):
            befall(node.audit, evidence)
            _wait_for(witness, 200)
        broken, mended = _replace_by_a_directory(node.audit, evidence)
        _wait_for(witness, 200)
        assert witness.statuses(broken, mended).keys() == {500}
        gaps = {
            record["custody"]["gap"]["reason"]
            for record in decode(evidence.text())
            if record["type"] == "gap"
        }
    assert "truncated" in gaps
    assert gaps & {"renamed", "replaced"}  # by another process that noticed it first


def test_no_answer_goes_unrecorded_when_the_file_may_not_grow(tmp_path: Path) -> None:
    (tmp_path / "audit.log").write_bytes(b"\0" * _RESERVE + b"\n")
    with Server(tmp_path) as server:
        server.initialise()
        server.mount()
        _check_full(server, lambda: _limit(server), lambda: _unlimit(server))


@pytest.mark.needs_root
def test_no_answer_goes_unrecorded_when_the_disk_is_full(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    filler = small / "filler"
    _run("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(small))
    try:
        with Server(tmp_path, audit=small / "audit.log") as server:
            server.initialise()
            server.mount()
            _check_full(server, lambda: _fill(filler), filler.unlink)
    finally:
        _run("umount", "--lazy", str(small))


def _check_full(server: Server, fill: Callable[[], None], empty: Callable[[], None]) -> None:
    with under_load(server) as (witness, _):
        _wait_for(witness, 200)
        fill()
        _wait_for(witness, 500)
        time.sleep(_BROKEN_SECONDS)
        empty()
        _wait_for(witness, 200)


def _check(server: Server, witness: Witness, evidence: Evidence) -> None:
    """Each answer has a record; each version that is there has one record of its commit."""
    eventually(lambda: _commits(evidence).total() >= _versions(server), _RECOVERY_SECONDS)
    responses = {
        record["request"]["id"]
        for record in decode(evidence.text())
        if record["type"] == "response"
    }
    unrecorded = set(witness.answered) - responses
    assert not unrecorded, f"{len(unrecorded)} of {len(witness.answered)} answers: {unrecorded}"
    commits = _commits(evidence)
    assert max(commits.values()) == 1
    assert commits.total() == _versions(server)


def _commits(evidence: Evidence) -> Counter[str]:
    """How many records each commit to secret/ has."""
    return Counter(
        record["custody"]["event_id"]
        for record in decode(evidence.text())
        if record["type"] == "response"
        and record["request"]["path"].startswith("secret/data/")
        and record.get("custody", {}).get("event_id")
    )


def _versions(server: Server) -> int:
    keys = (f"secret/metadata/incident-{number}" for number in range(_CLIENTS))
    return sum(server.expect(200, "GET", key).data["current_version"] for key in keys)


def _wait_for(witness: Witness, status: int) -> None:
    """Until a request that begins from now on is answered so, and a moment longer."""
    begin = time.monotonic()
    eventually(lambda: status in witness.statuses(begin, time.monotonic()))
    time.sleep(_CALM_SECONDS)


def _remove(path: Path, evidence: Evidence) -> None:
    evidence.hold()
    path.unlink()


def _rename(path: Path, evidence: Evidence) -> None:
    evidence.hold()
    path.rename(path.with_name("audit.log.1"))


def _truncate(path: Path, evidence: Evidence) -> None:
    del path
    evidence.truncate()


def _replace_by_a_directory(path: Path, evidence: Evidence) -> tuple[float, float]:
    """For a while; from when to when nothing could be recorded."""
    while not path.is_dir():
        evidence.hold()
        path.unlink()
        with contextlib.suppress(FileExistsError):  # a writer was quicker and made a new file
            path.mkdir()
    begin = time.monotonic()
    time.sleep(_BROKEN_SECONDS)
    end = time.monotonic()
    path.rmdir()
    return begin, end


def _limit(server: Server) -> None:
    """Let the file of each process that writes it grow by a record and a half."""
    size = server.audit.stat().st_size + 1500
    for pid in server.pids():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def _unlimit(server: Server) -> None:
    for pid in server.pids():
        resource.prlimit(
            pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        )


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue


def _run(*words: str) -> None:
    subprocess.run(words, check=True)  # noqa: S603 - mount and umount


def _content(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)
