"""Files that commands write for their user."""

from pathlib import Path

from custody.cli import files


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
