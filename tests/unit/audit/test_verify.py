"""The offline check names the first record that is not as it was written."""

import hashlib
import json
import random
import time
from collections.abc import Sequence

import pytest

from custody.audit.chain import after, link
from custody.audit.head import ZERO, Head
from custody.audit.verify import Finding, verify

RECORD = b'{"time":"2026-11-22T15:48:35.2Z","type":"request","request":{"id":"%d"}}'


def chains(
    count: int, writers: Sequence[str] = ("a", "b", "c")
) -> tuple[list[bytes], dict[str, Head]]:
    """`count` lines of several writers in turn, and where each ends."""
    heads = {writer: Head(writer) for writer in writers}
    lines = []
    for number in range(count):
        writer = writers[number % len(writers)]
        [line], heads[writer] = link(heads[writer], [RECORD % number])
        lines.append(line)
    return lines, heads


def owner(line: bytes) -> tuple[str, int]:
    chain = json.loads(line)["chain"]
    return chain["writer"], chain["seq"]


def first(lines: Sequence[bytes], heads: dict[str, Head]) -> Finding:
    return verify(lines, heads=heads)[0]


def test_a_chain_begins_with_zeros_and_holds_the_digest_of_the_line_before() -> None:
    lines, head = link(Head("w"), [b'{"n":1}', b'{"n":2}'])
    assert json.loads(lines[0]) == {"n": 1, "chain": {"writer": "w", "seq": 1, "prev": ZERO}}
    digest = hashlib.sha256(lines[0].rstrip(b"\n")).hexdigest()
    assert json.loads(lines[1])["chain"] == {"writer": "w", "seq": 2, "prev": digest}
    assert head == Head("w", 2, hashlib.sha256(lines[1].rstrip(b"\n")).hexdigest())
    assert after(Head("w"), lines) == head
    assert after(Head("w"), lines[:0]) == Head("w")


def test_untouched_lines_of_many_writers_have_no_finding() -> None:
    lines, heads = chains(500)
    assert verify(lines) == verify(lines, heads=heads) == []


def test_a_hundred_thousand_lines_are_checked_as_a_stream() -> None:
    lines, heads = chains(100_000)
    began = time.process_time()
    assert verify((line for line in lines), heads=heads) == []
    assert time.process_time() - began < 30


def test_each_of_1000_random_edits_is_named() -> None:
    draw = random.Random(1)  # noqa: S311  # not for secrets
    lines, heads = chains(300)
    for _ in range(1000):
        place = draw.randrange(len(lines))
        edited = bytearray(lines[place])
        offset = draw.randrange(len(edited) - 1)
        edited[offset] ^= draw.randrange(1, 128)
        if b"\n" in edited[:-1] or b"\r" in edited[:-1]:
            continue
        found = first([*lines[:place], bytes(edited), *lines[place + 1 :]], heads)
        # An edit of the writer's own name or number makes it a stranger's first record.
        assert found.line == place + 1 or (found.writer, found.seq) == owner(lines[place]), found


def test_each_of_1000_random_deletions_is_named() -> None:
    draw = random.Random(2)  # noqa: S311  # not for secrets
    lines, heads = chains(300)
    for _ in range(1000):
        place = draw.randrange(len(lines))
        writer, seq = owner(lines[place])
        found = first([*lines[:place], *lines[place + 1 :]], heads)
        assert found.fault in {"missing", "cut", "start"}
        assert found.writer == writer
        assert found.seq == (seq + 1 if found.fault == "start" else seq)


def test_each_of_1000_random_swaps_is_named() -> None:
    draw = random.Random(3)  # noqa: S311  # not for secrets
    lines, heads = chains(300)
    for _ in range(1000):
        low = draw.randrange(len(lines) - 3)
        high = draw.randrange(low + 3, len(lines), 3)
        swapped = list(lines)
        swapped[low], swapped[high] = lines[high], lines[low]
        found = first(swapped, heads)
        assert found.line == low + 1
        assert found.fault in {"missing", "start"}


def test_an_edit_is_blamed_on_the_edited_record_and_not_on_a_neighbour() -> None:
    lines, heads = chains(5, ("w",))
    text = [*lines[:2], lines[2].replace(b'"id":"2"', b'"id":"9"'), *lines[3:]]
    assert [(f.fault, f.seq) for f in verify(text, heads=heads)] == [("edited", 3)]
    chain = [*lines[:2], lines[2].replace(b'"prev":"', b'"prev":"0')]
    assert [(f.fault, f.seq) for f in verify([*chain, *lines[3:]])] == [("edited", 3)]
    last = [*lines[:4], lines[4].replace(b'"id":"4"', b'"id":"9"')]
    assert verify(last) == []
    assert [(f.fault, f.seq) for f in verify(last, heads=heads)] == [("edited", 5)]


def test_a_cut_tail_is_told_by_the_heads_that_must_be_there() -> None:
    lines, heads = chains(9)
    assert verify(lines[:-1]) == []
    [found] = verify(lines[:-1], heads=heads)
    assert (found.fault, found.writer, found.seq, found.line) == ("cut", "c", 3, 8)
    [gone] = verify([], heads={"w": Head("w", 3, "x")})
    assert (gone.fault, gone.seq) == ("cut", 1)


def test_a_rewritten_chain_is_told_by_a_head_in_its_middle() -> None:
    lines, _ = chains(6, ("w",))
    _, honest = link(Head("w"), [RECORD % 7, RECORD % 8])
    [found] = verify(lines, heads={"w": honest})
    assert (found.fault, found.seq) == ("edited", 2)


def test_a_file_that_continues_another_needs_the_heads_before_it() -> None:
    lines, heads = chains(6, ("w",))
    before = after(Head("w"), lines[:3])
    assert verify(lines[3:], start={"w": before}, heads=heads) == []
    assert [f.fault for f in verify(lines[3:])] == ["start"]


def test_a_gap_that_a_writer_recorded_is_reported_and_may_begin_a_file() -> None:
    lines, head = link(Head("w"), [b'{"n":1}'])
    after_gap, _ = link(head, [b'{"type":"gap"}', b'{"n":2}'])
    assert [(f.fault, f.seq) for f in verify(after_gap)] == [("gap", 2)]
    assert [(f.fault, f.line) for f in verify([*lines, *after_gap])] == [("gap", 2)]


def test_a_torn_line_is_reported_and_blank_ones_are_not() -> None:
    lines, heads = chains(3, ("w",))
    found = verify([lines[0], b'{"ti\n', b"    \n", b"\n", *lines[1:]], heads=heads)
    assert [(f.fault, f.line) for f in found] == [("unreadable", 2)]


@pytest.mark.parametrize("line", [b"[]", b"\xff", b"[" * 100_000, b'{"chain":1}'])
def test_what_is_no_record_is_unreadable_and_never_raises(line: bytes) -> None:
    assert [f.fault for f in verify([line])] == ["unreadable"]


def test_a_copied_record_is_named() -> None:
    lines, heads = chains(3, ("w",))
    [found] = verify([*lines, lines[1]], heads=heads)
    assert (found.fault, found.seq, found.line) == ("reordered", 2, 4)
