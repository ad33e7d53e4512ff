"""The server under what the unit closes: no capabilities, a read-only root, no new code pages."""

import ctypes
import socket
import sys
from pathlib import Path

import pytest
from tests.harness import Server, eventually

_ENTER = """
mount --make-rprivate /
mount --bind "$1" "$1"
for place in $(awk '{ print $5 }' /proc/self/mountinfo); do
    case "$place" in /proc*|/sys*|/dev*|"$1") ;; *) mount -o remount,bind,ro "$place" ;; esac
done 2>/dev/null
if touch /tmp/written-$$ 2>/dev/null; then exit 9; fi
shift
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""
_NO_NEW_CODE = """
import ctypes, os, sys
PR_SET_MDWE, REFUSE_EXEC_GAIN = 65, 1
assert ctypes.CDLL(None).prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""
_PR_GET_MDWE = 66


class Confined(Server):
    """A server that may write to its own directory and nowhere else."""

    def command(self, config: Path) -> list[str | Path]:
        """Enter a name space of mounts, drop what can be dropped, then be the server."""
        inner = [sys.executable, "-c", _NO_NEW_CODE, *super().command(config)]
        return ["/usr/bin/unshare", "-m", "/bin/sh", "-c", _ENTER, "sh", self.directory, *inner]


@pytest.mark.needs_root
def test_it_serves_without_capabilities_on_a_read_only_root(tmp_path: Path) -> None:
    assert ctypes.CDLL(None).prctl(_PR_GET_MDWE, 0, 0, 0, 0) >= 0  # the kernel knows it
    with Confined(tmp_path) as server:
        server.initialise()
        server.mount()
        server.expect(200, "PUT", "secret/data/a", {"data": {"k": "v"}})
        for pid in server.pids():
            status = Path(f"/proc/{pid}/status").read_text()
            assert "CapEff:\t0000000000000000" in status
            assert "NoNewPrivs:\t1" in status


def test_the_service_manager_is_told_when_it_is_ready_sealed_or_not_and_when_it_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with Server(tmp_path) as server:
            assert manager.recv(100) == b"STATUS=Sealed"
            assert manager.recv(100) == b"READY=1"
            assert all("NOTIFY_SOCKET" not in _environment(pid) for pid in server.pids())
            server.initialise()
            assert manager.recv(100) == b"STATUS=Unsealed"
            server.expect(204, "PUT", "sys/seal")
            assert manager.recv(100) == b"STATUS=Sealed"
            server.stop()
            assert manager.recv(100) == b"STOPPING=1"


def test_a_service_manager_that_is_gone_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    with Server(tmp_path) as server:
        eventually(lambda: "cannot tell the service manager" in server.log.read_text())
        server.initialise()


def _environment(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
