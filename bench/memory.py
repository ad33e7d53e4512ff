"""How much memory a server holds: its process and everything below it."""

import re
from pathlib import Path

_PROC = Path("/proc")
_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
_RSS = re.compile(r"^VmRSS:\s+(\d+) kB", re.MULTILINE)


def held(root: int) -> float:
    """MiB held by the process `root` and its descendants.

    Pages that several share are counted once, by proportional set size. A process that hides its
    memory from this user (Custody's do, from all but root) is counted by its resident set, which
    is never less.
    """
    return sum(_of_process(process) for process in [root, *_descendants(root)]) / 1024


def _of_process(process: int) -> int:
    for file, pattern in (("smaps_rollup", _PSS), ("status", _RSS)):
        try:
            found = pattern.search((_PROC / str(process) / file).read_text())
        except OSError:
            continue  # it ended meanwhile, or is not ours to look into
        if found:
            return int(found[1])
    return 0


def _descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in _PROC.glob("[0-9]*/stat"):
        try:
            after_name = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(after_name[1]), []).append(int(entry.parent.name))
    found, waiting = [], [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found
