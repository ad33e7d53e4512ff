"""What happens to an audit file, and what the appender makes of it."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from custody.audit.appender import Appender
from custody.audit.device import DeviceFailed
from custody.audit.verify import verify
from custody.base.clock import SystemClock

Parsed = Callable[[Path], list[dict[str, Any]]]


def appender(path: Path, mode: int = 0o600, writer: str = "w") -> Appender:
    return Appender(str(path), mode, writer, SystemClock())


def records(*numbers: int) -> list[bytes]:
    return [b'{"n":%d}' % number for number in numbers]


def numbers(parsed: Parsed, *paths: Path) -> list[int]:
    return [record["n"] for path in paths for record in parsed(path) if "n" in record]


def gap(record: dict[str, Any]) -> tuple[str, int]:
    assert record["type"] == "gap"
    found = record["custody"]["gap"]
    return found["reason"], found["last"]["seq"]


def test_a_new_file_is_private_and_its_folders_too(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "audit.log"
    appender(path).append(records(1))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700


def test_a_mode_is_set_whatever_the_umask_and_mode_0_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    appender(path, 0o666).append(records(1))
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    path.chmod(0o640)
    appender(path, 0).append(records(2))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_later_process_appends_to_what_is_there(tmp_path: Path, parsed: Parsed) -> None:
    path = tmp_path / "audit.log"
    appender(path, writer="first").append(records(1, 2))
    appender(path, writer="second").append(records(3))
    assert numbers(parsed, path) == [1, 2, 3]
    assert verify(_whole(path)) == []


@pytest.mark.parametrize("how", ["removed", "renamed", "replaced", "truncated", "shortened"])
def test_a_lost_file_is_made_anew_and_begins_with_a_gap(
    how: str, tmp_path: Path, parsed: Parsed
) -> None:
    path, old = tmp_path / "audit.log", tmp_path / "old.log"
    device = appender(path)
    device.append(records(1, 2, 3))
    if how == "removed":
        path.unlink()
    elif how in {"renamed", "replaced"}:
        path.rename(old)
        if how == "replaced":
            path.write_bytes(b"")
    else:
        os.truncate(path, 0 if how == "truncated" else path.stat().st_size - 20)
    device.append(records(4))
    device.append(records(5))
    seen = [record for record in _whole(path) if b'"seq"' in record]
    assert b'"gap"' in seen[-3]
    reason = "truncated" if how == "shortened" else how
    assert gap(parsed_line(seen[-3])) == (reason, 3)
    assert [parsed_line(line)["n"] for line in seen[-2:]] == [4, 5]
    if old.exists():
        assert numbers(parsed, old, path) == [1, 2, 3, 4, 5]
        lines = old.read_bytes().splitlines() + path.read_bytes().splitlines()
        assert [finding.fault for finding in verify(lines)] == ["gap"]


def parsed_line(line: bytes) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(line)
    return decoded


def _whole(path: Path) -> list[bytes]:
    return [line for line in path.read_bytes().split(b"\n") if line.strip()]


def test_a_truncated_file_that_others_filled_again_is_noticed(
    tmp_path: Path, parsed: Parsed
) -> None:
    path = tmp_path / "audit.log"
    slow, busy = appender(path, writer="slow"), appender(path, writer="busy")
    slow.append(records(1))
    busy.append(records(2))
    os.truncate(path, 0)
    for number in range(3, 20):
        busy.append(records(number))
    slow.append(records(20))
    gaps = [record["chain"]["writer"] for record in parsed(path) if record.get("type") == "gap"]
    assert gaps == ["busy", "slow"]
    assert {finding.fault for finding in verify(_whole(path))} == {"gap"}


def test_a_removed_folder_is_made_again(tmp_path: Path, parsed: Parsed) -> None:
    path = tmp_path / "logs" / "audit.log"
    device = appender(path)
    device.append(records(1))
    path.unlink()
    path.parent.rmdir()
    device.append(records(2))
    assert [gap(parsed(path)[0]), numbers(parsed, path)] == [("removed", 1), [2]]


def test_a_folder_in_the_files_place_fails_until_it_is_gone(tmp_path: Path, parsed: Parsed) -> None:
    path = tmp_path / "audit.log"
    device = appender(path)
    device.append(records(1))
    path.unlink()
    path.mkdir()
    for _ in range(2):
        with pytest.raises(DeviceFailed, match="Is a directory") as caught:
            device.append(records(2))
        assert caught.value.accepted == 0
    path.rmdir()
    device.append(records(3))
    assert gap(parsed(path)[0]) == ("replaced", 1)
    assert numbers(parsed, path) == [3]


def test_what_is_not_a_regular_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(DeviceFailed, match="not a regular file"):
        appender(path).append(records(1))


def test_a_file_with_something_else_in_it_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "passwd"
    path.write_text("root:x:0:0::/root:/bin/sh")
    path.chmod(0o644)
    with pytest.raises(DeviceFailed, match="the file holds something else than audit records"):
        appender(path).append(records(1))
    assert path.read_text() == "root:x:0:0::/root:/bin/sh"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_line_that_a_killed_process_left_torn_touches_no_other(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    device = appender(path)
    device.append(records(1))
    with path.open("ab") as file:
        file.write(b'{"torn":')
    device.append(records(2))  # open already: the torn line's last byte gives way
    with path.open("ab") as file:
        file.write(b'{"torn":')
    appender(path, writer="x").append(records(3))  # opened after: the torn line is ended
    lines = _whole(path)
    assert [line for line in lines if b"torn" in line] == [b'{"torn"', b'{"torn":']
    assert [parsed_line(line)["n"] for line in lines if b"torn" not in line] == [1, 2, 3]
    assert [finding.fault for finding in verify(lines)] == ["unreadable", "unreadable"]


def test_a_failed_sync_is_told_and_leaves_a_gap(tmp_path: Path, parsed: Parsed) -> None:
    path = tmp_path / "audit.log"
    device = appender(path)
    device.append(records(1))
    device.sync()
    device.append(records(2))
    full = os.open("/dev/full", os.O_RDWR)
    file = device._file  # noqa: SLF001  # the only way to a descriptor that cannot be synced
    assert file is not None
    kept, file.fd = file.fd, full
    with pytest.raises(DeviceFailed, match="Invalid argument"):
        device.sync()
    file.fd = kept
    os.close(full)
    device.append(records(3))
    assert gap(parsed(path)[2]) == ("not synced", 2)


FILLS = """
import resource, signal, sys
from custody.audit.appender import Appender
from custody.audit.device import DeviceFailed
from custody.base.clock import SystemClock
path, limit = sys.argv[1], int(sys.argv[2])
device = Appender(path, 0o600, "w", SystemClock())
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
kept, failed, number = [], 0, 0
while failed < 3:
    batch = list(range(number, number + 7))
    number += 7
    try:
        device.append([b'{"n":%d,"pad":"%b"}' % (n, b"x" * 300) for n in batch])
        kept += batch
    except DeviceFailed as failure:
        failed += 1
        kept += batch[: failure.accepted]
        print("failed", failure.reason.rsplit(":", 1)[1].strip())
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    device.append([b'{"n":-1}'])
print("kept", *kept)
"""


def fill(path: Path, limit: int) -> tuple[list[str], list[int]]:
    done = subprocess.run(  # noqa: S603  # our own interpreter and text
        [sys.executable, "-c", FILLS, str(path), str(limit)],
        check=True,
        capture_output=True,
        text=True,
    )
    *failures, kept = done.stdout.splitlines()
    return failures, [int(number) for number in kept.split()[1:]]


@pytest.mark.parametrize("limit", [1000, 4096, 50_001, 65_536])
def test_a_write_cut_short_loses_no_record_and_tears_no_line(
    limit: int, tmp_path: Path, parsed: Parsed
) -> None:
    path = tmp_path / "audit.log"
    failures, kept = fill(path, limit)
    assert failures == ["failed File too large"] * 3
    assert numbers(parsed, path) == [*kept, -1]
    assert verify(_whole(path)) == []


SMALL_DISK = 'mount -t tmpfs -o size=256k tmpfs "$0" && "$@" && cp "$0/audit.log" "$0.copy"'


def on_a_small_disk(place: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run `command` where `place` is a full-able file system of its own, gone afterwards."""
    flags = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    shell = ["sh", "-c", SMALL_DISK, str(place), *command]
    return subprocess.run(  # noqa: S603  # our own commands
        ["unshare", *flags, *shell],  # noqa: S607  # from the system's path
        check=False,
        capture_output=True,
        text=True,
    )


def test_a_full_disk_loses_no_record_and_tears_no_line(tmp_path: Path, parsed: Parsed) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    done = on_a_small_disk(place, sys.executable, "-c", FILLS, str(place / "audit.log"), "0")
    if "not permitted" in done.stderr or "denied" in done.stderr:
        # No mounts for us here: the limit of a file's size cuts the write short in the same way.
        failures, kept = fill(tmp_path / "disk.copy", 262_144)
        assert failures == ["failed File too large"] * 3
        kept.append(-1)
    else:
        *failures, last = done.stdout.splitlines()
        assert failures == ["failed No space left on device"] * 3
        kept = [int(number) for number in last.split()[1:]]
    assert numbers(parsed, tmp_path / "disk.copy") == kept
    assert verify(_whole(tmp_path / "disk.copy")) == []
