"""Owns the offline check of audit lines: it names the first record that is not as it was written.

What it can tell: edits, deletions and reordering of one writer's records, against each other and
against heads known from elsewhere. The order in which different writers' lines stand proves
nothing and is not checked.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from custody.audit.head import ZERO, Head

Fault = Literal["unreadable", "edited", "missing", "reordered", "start", "cut", "gap"]
_NO_HEADS: Mapping[str, Head] = {}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something wrong with the lines, or a gap that a writer noticed and recorded itself.

    `line` counts from 1: where the bad record is or, if it is gone, where that shows. `seq` is
    the bad record's number, 0 if it cannot be read.
    """

    line: int
    fault: Fault
    writer: str = ""
    seq: int = 0
    detail: str = ""


class _Link(msgspec.Struct):
    writer: str
    seq: int
    prev: str


class _Line(msgspec.Struct):
    chain: _Link
    type: str = ""


class _State(msgspec.Struct):
    """How far a writer's chain has been followed.

    `doubt` is the record before a `prev` that did not fit. Either it or the record with that
    `prev` is edited; the link after them shows which.
    """

    line: int
    seq: int
    digest: str
    doubt: tuple[int, int] | None = None


def verify(
    lines: Iterable[bytes],
    *,
    start: Mapping[str, Head] = _NO_HEADS,
    heads: Mapping[str, Head] = _NO_HEADS,
) -> list[Finding]:
    """What is wrong with `lines`, by line; reads them once and keeps one state per writer.

    `start` are the heads at the end of the file before, by writer; `heads` those that these lines
    must contain. Without `heads` a cut tail and an edit of a writer's last record cannot be told.
    """
    check = _Check(start, heads)
    for number, line in enumerate(lines, 1):
        check.take(number, line.rstrip(b"\r\n"))
    return check.finish()


class _Check:
    def __init__(self, start: Mapping[str, Head], heads: Mapping[str, Head]) -> None:
        self._heads = heads
        self._found: list[Finding] = []
        self._states = {name: _State(0, head.seq, head.digest) for name, head in start.items()}
        self._decoder = msgspec.json.Decoder(_Line)
        self._last = 0

    def take(self, number: int, line: bytes) -> None:
        """Check the next line; a blank one is what a write cut short leaves."""
        if not line.strip():
            return
        self._last = number
        try:
            read = self._decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._report(number, "unreadable")
            return
        chain = read.chain
        if read.type == "gap":
            self._report(number, "gap", chain.writer, chain.seq, "recorded by the writer itself")
        digest = hashlib.sha256(line).hexdigest()
        state = self._states.get(chain.writer)
        if state is not None:
            self._follow(number, chain, digest, state)
            return
        first = chain.seq == 1 and chain.prev == ZERO
        if not first and read.type != "gap":
            self._report(number, "start", chain.writer, chain.seq, "what came before is not here")
        self._states[chain.writer] = _State(number, chain.seq, digest)

    def finish(self) -> list[Finding]:
        """The findings, by line."""
        for writer, state in self._states.items():
            head = self._heads.get(writer)
            known = head is not None and head.seq == state.seq
            self._link(writer, state, fits=self._fits_head(writer, state), known=known)
            if state.doubt is not None:
                self._report(state.doubt[0], "edited", writer, state.doubt[1])
        for writer, head in self._heads.items():
            reached = self._states.get(writer)
            seq = 0 if reached is None else reached.seq
            if seq < head.seq:
                lost = f"{head.seq - seq} records are gone"
                self._report(self._last, "cut", writer, seq + 1, lost)
        return sorted(self._found, key=lambda finding: finding.line)

    def _follow(self, number: int, chain: _Link, digest: str, state: _State) -> None:
        writer = chain.writer
        if chain.seq <= state.seq:
            self._report(number, "reordered", writer, chain.seq)
            return
        if chain.seq == state.seq + 1:
            fits = chain.prev == state.digest and self._fits_head(writer, state)
            self._link(writer, state, fits=fits, known=True)
        else:
            if state.doubt is not None:
                self._report(state.doubt[0], "edited", writer, state.doubt[1])
                state.doubt = None
            lost = f"{chain.seq - state.seq - 1} records are gone"
            self._report(number, "missing", writer, state.seq + 1, lost)
        state.line, state.seq, state.digest = number, chain.seq, digest

    def _link(self, writer: str, state: _State, *, fits: bool, known: bool) -> None:
        """Judge the link that follows `state`; `known` is false at an end without a head."""
        if state.doubt is None:
            if not fits:
                state.doubt = (state.line, state.seq)
        elif known:
            line, seq = state.doubt if fits else (state.line, state.seq)
            self._report(line, "edited", writer, seq)
            state.doubt = None

    def _fits_head(self, writer: str, state: _State) -> bool:
        head = self._heads.get(writer)
        return head is None or head.seq != state.seq or head.digest == state.digest

    def _report(
        self, line: int, fault: Fault, writer: str = "", seq: int = 0, detail: str = ""
    ) -> None:
        self._found.append(Finding(line=line, fault=fault, writer=writer, seq=seq, detail=detail))
