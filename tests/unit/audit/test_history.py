"""Which commits a file already holds, found from its end."""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from custody.audit import history
from custody.audit.history import find_events
from custody.base.clock import rfc3339

SECOND = 1_000_000_000
NOW = 1_795_000_000 * SECOND


def line(event: str, at_ns: int = NOW, kind: str = "response", pad: int = 0) -> bytes:
    record = {
        "time": rfc3339(at_ns),
        "type": kind,
        "request": {"data": {"event_id": "client-chosen"}, "pad": "x" * pad},
        "custody": {"event_id": event},
    }
    return msgspec.json.encode(record) + b"\n"


def write(path: Path, lines: Sequence[bytes]) -> None:
    path.write_bytes(b"".join(lines))


def test_events_are_found_across_many_blocks(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    write(path, [line(f"event-{n}", pad=5000) for n in range(1000)])
    asked = {"event-0", "event-17", "event-999", "event-1000"}
    assert find_events(str(path), asked, NOW) == asked - {"event-1000"}


def test_only_whole_response_records_count(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    write(path, [line("a", kind="request"), b"\xff\n", line("b"), b"   \n", line("c")[:-1]])
    assert find_events(str(path), {"a", "b", "c", "client-chosen"}, NOW) == {"b"}


def test_the_search_ends_at_what_is_too_old(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    write(path, [line("a"), line("old", NOW - 60 * SECOND), line("b", NOW - 5 * SECOND)])
    assert find_events(str(path), {"a", "b", "old"}, NOW) == {"b"}


def test_files_rotated_since_then_are_searched_too(tmp_path: Path) -> None:
    path, rotated, ancient = (tmp_path / name for name in ("a.log", "a.log.1", "a.log.2"))
    write(path, [line("a")])
    write(rotated, [line("b")])
    write(ancient, [line("c")])
    os.utime(path, ns=(NOW, NOW))
    os.utime(rotated, ns=(NOW, NOW))
    os.utime(ancient, ns=(NOW - 60 * SECOND, NOW - 60 * SECOND))
    assert find_events(str(path), {"a", "b", "c"}, NOW) == {"a", "b"}


def test_a_missing_file_or_folder_holds_nothing(tmp_path: Path) -> None:
    assert find_events(str(tmp_path / "none.log"), {"a"}, NOW) == set()
    assert find_events(str(tmp_path / "none" / "none.log"), {"a"}, NOW) == set()


@given(st.lists(st.binary(max_size=12).filter(lambda b: b"\n" not in b)), st.integers(1, 9))
def test_reading_backwards_gives_the_lines_in_reverse(lines: list[bytes], block: int) -> None:
    handle = os.memfd_create("lines")
    try:
        os.write(handle, b"".join(each + b"\n" for each in lines) + b"torn")
        path = f"/proc/self/fd/{handle}"
        assert list(history.backwards(path, block)) == lines[::-1]
    finally:
        os.close(handle)
