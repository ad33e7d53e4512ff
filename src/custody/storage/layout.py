"""A shard's directory: FORMAT, CURRENT and one directory per generation of the data.

    <data>/<shard>/FORMAT      what the bytes are and who may read them (JSON)
    <data>/<shard>/CURRENT     the name of the generation in use
    <data>/<shard>/gen-000001  an LMDB environment

Restore and compaction write a new generation and then replace CURRENT.
"""

import contextlib
import re
import shutil
from pathlib import Path

import msgspec

from custody.base import files
from custody.base.store import FORMAT

ENGINE = "lmdb-0.9"
_FIRST = "gen-000001"
_OURS = 0o600  # the mode of files
_DRAFT = "new-"  # before a generation's number while it is being built
_GENERATION = re.compile(r"gen-[0-9]{6}")
_MOUNTINFO = Path("/proc/self/mountinfo")
_NETWORK = frozenset(
    {"9p", "afs", "ceph", "cifs", "fuse", "gfs2", "glusterfs", "gpfs", "lustre", "nfs", "nfs4"}
    | {"ocfs2", "smb3", "smbfs", "virtiofs"}
)


class WrongFormat(Exception):
    """The data was written by a program that this one cannot follow."""


class UnfitFileSystem(Exception):
    """LMDB's shared memory and locks do not hold on this file system."""


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """What FORMAT says: the format written, the engine, and the oldest format that can read it."""

    format: int
    engine: str
    minimum_reader: int


def prepare(shard: Path) -> Path:
    """The directory of the current generation; a new shard gets its first.

    Several processes may do this at once. Raises WrongFormat, UnfitFileSystem, OSError.
    """
    shard.mkdir(mode=0o700, parents=True, exist_ok=True)
    kind = file_system(shard, _MOUNTINFO.read_text())
    if is_network(kind):
        raise UnfitFileSystem(f"{shard} is on a network file system ({kind}); use a local disk")
    format_file = shard / "FORMAT"
    if not format_file.exists() or _check(format_file).format < FORMAT:
        # Before anything is written that a program of an older format would not find.
        ours = Format(format=FORMAT, engine=ENGINE, minimum_reader=FORMAT)
        files.replace(format_file, msgspec.json.encode(ours) + b"\n", _OURS)
    current = shard / "CURRENT"
    if not current.exists():
        (shard / _FIRST).mkdir(mode=0o700, exist_ok=True)
        files.replace(current, _FIRST.encode() + b"\n", _OURS)
    name = current.read_text().strip()
    if not _GENERATION.fullmatch(name) or not (shard / name).is_dir():
        raise WrongFormat(f"{current} names {name!r}, which is no generation here")
    return shard / name


def next_name(shard: Path) -> str:
    """The name of the generation after all that there are."""
    numbers = [int(one.name[4:]) for one in shard.iterdir() if _GENERATION.fullmatch(one.name)]
    return f"gen-{max(numbers, default=0) + 1:06d}"


def draft(shard: Path, name: str) -> Path:
    """Where the generation `name` is built."""
    return shard / f"{_DRAFT}{name[4:]}"


def promote(shard: Path, name: str) -> None:
    """Give the built generation its name and point CURRENT to it. May be done again."""
    if not _GENERATION.fullmatch(name):
        raise WrongFormat(f"{shard}: {name!r} is no name of a generation")
    with contextlib.suppress(FileNotFoundError):  # another process has done it
        draft(shard, name).rename(shard / name)
    files.replace(shard / "CURRENT", name.encode() + b"\n", _OURS)


def remove_drafts(shard: Path) -> None:
    """Remove what was being built and is not any more."""
    for path in shard.glob(f"{_DRAFT}*"):
        shutil.rmtree(path, ignore_errors=True)


def remove_replaced(shard: Path) -> None:
    """Remove every generation but the current one: nobody can write to it any more."""
    name = (shard / "CURRENT").read_text().strip()
    for path in shard.iterdir():
        if _GENERATION.fullmatch(path.name) and path.name != name:
            shutil.rmtree(path, ignore_errors=True)


def file_system(path: Path, mountinfo: str) -> str:
    """The type of the file system that holds `path`, by the text of /proc/self/mountinfo."""
    target = path.resolve()
    best, kind = -1, "unknown"
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        point = Path(fields.split()[4].encode().decode("unicode_escape"))
        if target.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), rest.split()[0]
    return kind


def is_network(kind: str) -> bool:
    """Whether that type of file system is remote or in user space."""
    return kind in _NETWORK or kind.startswith("fuse.")


def _check(path: Path) -> Format:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Format)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WrongFormat(f"{path} is not readable as a format") from error
    if found.minimum_reader > FORMAT:
        raise WrongFormat(
            f"{path}: the data needs a program of format {found.minimum_reader}, "
            f"this one has format {FORMAT}"
        )
    if found.engine != ENGINE:
        raise WrongFormat(f"{path}: the data is kept by {found.engine}, this program uses {ENGINE}")
    return found
