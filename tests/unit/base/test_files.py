"""Files that are put in the place of others."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from custody.base import files


def test_a_new_file_is_its_owners_alone_whatever_was_there(tmp_path: Path) -> None:
    path = tmp_path / "backup.snap"
    path.write_bytes(b"open to all")
    path.chmod(0o666)
    with files.create(path) as file:
        file.write(b"closed")
    assert path.read_bytes() == b"closed"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_new_file_is_not_written_through_a_link(tmp_path: Path) -> None:
    other, path = tmp_path / "other", tmp_path / "backup.snap"
    other.write_bytes(b"kept")
    path.symlink_to(other)
    with files.create(path) as file:
        file.write(b"new")
    assert other.read_bytes() == b"kept"
    assert not path.is_symlink()


def test_a_draft_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    draft, target = tmp_path / ".backup.partial", tmp_path / "backup.snap"
    target.write_bytes(b"older")
    with files.create(draft) as file:
        file.write(b"newer")
        files.sync(file)
        assert draft.read_bytes() == b"newer"  # before it is closed
    files.rename(draft, target)
    assert (target.read_bytes(), draft.exists()) == (b"newer", False)


@pytest.mark.parametrize(("mode", "expected"), [(None, 0o640), (0o600, 0o600)])
def test_what_takes_a_files_place_has_its_mode_or_the_one_asked_for(
    tmp_path: Path, mode: int | None, expected: int
) -> None:
    path = tmp_path / "policy.hcl"
    path.write_bytes(b"older")
    path.chmod(0o640)
    files.replace(path, b"newer", mode)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"newer", expected)


def test_of_many_who_replace_a_file_at_once_each_leaves_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "CURRENT"
    contents = [bytes([65 + number]) * 100_000 for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: files.replace(path, content, 0o600), contents))
    assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_take_a_files_place_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "CURRENT"
    path.mkdir()
    with pytest.raises(OSError, match="CURRENT"):
        files.replace(path, b"newer", 0o600)
    assert list(tmp_path.iterdir()) == [path]
