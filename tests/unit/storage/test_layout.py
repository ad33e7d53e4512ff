"""The data directory: formats, generations, file systems, and one server at a time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from custody.base.errors import StorageFull
from custody.storage.layout import WrongFormat, file_system, is_network, prepare
from custody.storage.lock import DataInUse, DataLock
from custody.storage.space import FreeSpace

MOUNTINFO = r"""
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 22 0:26 / /srv rw - nfs4 server:/export rw
31 30 8:2 / /srv/local rw shared:1 - xfs /dev/sdb rw
32 22 0:40 / /mnt/with\040space rw - fuse.sshfs host: rw
33 22 8:3 / /over rw - nfs server:/a rw
34 22 8:4 / /over rw - ext4 /dev/sdc rw
"""


def test_a_new_shard_gets_a_format_and_a_first_generation(tmp_path: Path) -> None:
    shard = tmp_path / "data" / "root"
    generation = prepare(shard)
    assert generation == shard / "gen-000001"
    assert generation.is_dir()
    assert prepare(shard) == generation
    assert shard.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in shard.iterdir()) == ["CURRENT", "FORMAT", "gen-000001"]


def test_current_names_the_generation_in_use(tmp_path: Path) -> None:
    prepare(tmp_path)
    (tmp_path / "gen-000002").mkdir()
    (tmp_path / "CURRENT").write_text("gen-000002\n")
    assert prepare(tmp_path).name == "gen-000002"


@pytest.mark.parametrize("name", ["gen-000009", "../elsewhere", "", ".."])
def test_a_generation_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    prepare(tmp_path / "shard")
    (tmp_path / "shard" / "CURRENT").write_text(name)
    with pytest.raises(WrongFormat):
        prepare(tmp_path / "shard")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"format": 9, "engine": "lmdb-0.9", "minimum_reader": 7}', "format 7.*format 2"),
        ('{"format": 1, "engine": "lmdb-1.0", "minimum_reader": 1}', "lmdb-1.0"),
        ("nonsense", "not readable"),
        ("", "not readable"),
    ],
)
def test_data_of_a_format_that_this_program_cannot_read_is_refused(
    tmp_path: Path, text: str, reason: str
) -> None:
    prepare(tmp_path)
    (tmp_path / "FORMAT").write_text(text)
    with pytest.raises(WrongFormat, match=reason):
        prepare(tmp_path)


def test_data_of_a_newer_format_that_this_program_can_read_is_opened(tmp_path: Path) -> None:
    prepare(tmp_path)
    newer = '{"format":3,"engine":"lmdb-0.9","minimum_reader":2,"x":1}'
    (tmp_path / "FORMAT").write_text(newer)
    assert prepare(tmp_path).is_dir()
    assert (tmp_path / "FORMAT").read_text() == newer


def test_data_of_an_older_format_is_opened_and_from_then_on_refused_by_an_older_program(
    tmp_path: Path,
) -> None:
    prepare(tmp_path)
    (tmp_path / "FORMAT").write_text('{"format":1,"engine":"lmdb-0.9","minimum_reader":1}')
    assert prepare(tmp_path).is_dir()
    assert json.loads((tmp_path / "FORMAT").read_bytes()) == {
        "format": 2,
        "engine": "lmdb-0.9",
        "minimum_reader": 2,
    }


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib", "ext4"),
        ("/srv/data", "nfs4"),
        ("/srv/local/data", "xfs"),
        ("/srv2", "ext4"),
        ("/mnt/with space/data", "fuse.sshfs"),
        ("/over/data", "ext4"),
    ],
)
def test_the_file_system_of_a_path_is_its_innermost_mount(path: str, kind: str) -> None:
    assert file_system(Path(path), MOUNTINFO.strip()) == kind


def test_remote_file_systems_are_told_from_local_ones() -> None:
    assert all(map(is_network, ("nfs", "nfs4", "cifs", "smb3", "fuse", "fuse.sshfs", "9p")))
    assert not any(map(is_network, ("ext4", "xfs", "btrfs", "tmpfs", "zfs", "fuseblk", "overlay")))


def test_a_second_server_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    lock = DataLock(tmp_path / "data")
    with pytest.raises(
        DataInUse, match=rf"in use by another custody server \(process {os.getpid()}\)"
    ):
        DataLock(tmp_path / "data")
    lock.release()
    DataLock(tmp_path / "data").release()


def test_a_killed_server_leaves_no_lock_behind(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom custody.storage.lock import DataLock\n"
        "lock = DataLock(Path(sys.argv[1]))\nprint('locked', flush=True)\ntime.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own code
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        with pytest.raises(DataInUse, match=f"process {process.pid}"):
            DataLock(tmp_path)
        process.kill()
    DataLock(tmp_path).release()


class HandClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.boot = 0

    def now_ns(self) -> int:
        """Not used."""
        return 0

    def boot_ns(self) -> int:
        """What was set."""
        return self.boot


def test_free_space_is_asked_for_once_a_second(tmp_path: Path) -> None:
    clock = HandClock()
    space = FreeSpace(tmp_path, 1, clock)
    space.check()
    gone = FreeSpace(tmp_path / "gone", 0, clock)
    with pytest.raises(FileNotFoundError):
        gone.check()
    (tmp_path / "gone").mkdir()
    gone.check()
    (tmp_path / "gone").rmdir()
    gone.check()
    clock.boot = 1_000_000_000
    with pytest.raises(FileNotFoundError):
        gone.check()
    with pytest.raises(StorageFull):
        FreeSpace(tmp_path, 1 << 62, clock).check()
