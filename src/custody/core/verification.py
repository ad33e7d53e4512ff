"""Checks what is stored, part by part, beside requests: slices of milliseconds on the event loop.

A part's rows are compared with its sum in one snapshot, which stays open across awaits, as no other
snapshot does. While it is open no page that writers replace can be used again, and the file grows.
So a pace bounds for how long it is held, and quickens as that end nears; a table that is not done
by then is reported as unfinished: its rows were checked up to there, its sum was not.
"""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from custody.barrier.finding import Finding
from custody.barrier.scrub import PARTS, Checked
from custody.base.clock import NANOSECOND
from custody.base.codec import decode, encode
from custody.base.record import Record
from custody.base.store import Rows, Table, Transaction
from custody.core.parts import Parts

__all__ = ["BACKGROUND", "OPERATOR", "PARTS", "Pace", "Result", "Verification", "check"]

MAX_KEPT: Final = 100  # findings that are listed; the others are counted
BATCH: Final = 16  # rows: with the largest of values a batch still is a matter of milliseconds
_ROW: Final = b"verification"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How hard a check works. `pauses` are (until, seconds): what is slept between two slices
    while the snapshot is held for less than `until` (nanoseconds); the last `until` is the end."""

    slice_ns: int
    pauses: tuple[tuple[int, float], ...]

    def pause(self, held_ns: int) -> float | None:
        """Seconds to sleep now; None when the snapshot was held long enough."""
        return next((pause for until_ns, pause in self.pauses if held_ns < until_ns), None)


BACKGROUND: Final = Pace(
    slice_ns=NANOSECOND // 250,
    pauses=((150 * NANOSECOND, 0.02), (300 * NANOSECOND, 0.005), (600 * NANOSECOND, 0.0)),
)
OPERATOR: Final = Pace(slice_ns=NANOSECOND // 500, pauses=((600 * NANOSECOND, 0.001),))


@dataclass(slots=True)
class Result:
    """What a check has found so far: at most MAX_KEPT `findings` of `found`."""

    rows: int = 0
    found: int = 0
    findings: list[Finding] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)

    def add(self, checked: Checked) -> None:
        """Take one batch into account."""
        self.rows += checked.rows
        self.found += len(checked.findings)
        self.findings += checked.findings[: MAX_KEPT - len(self.findings)]


class StoredFinding(msgspec.Struct, frozen=True):
    """A finding as it is kept."""

    table: str
    key: bytes
    reason: str


class Verification(Record, frozen=True, kw_only=True):
    """The background's last check, or the one under way: `finished_ns` 0 and the part it is at."""

    started_ns: int
    finished_ns: int = 0
    part: str = ""
    rows: int = 0
    found: int = 0
    findings: tuple[StoredFinding, ...] = ()
    unfinished: tuple[str, ...] = ()


async def check(parts: Parts, part: str, pace: Pace, result: Result) -> None:
    """Check one of PARTS and add to `result`; findings are logged and counted as they are met."""
    clock = parts.clock
    before = result.found
    began_ns = clock.boot_ns()
    with parts.barrier.snapshot() as view:
        steps = parts.barrier.scrub(view, BATCH, (part,))
        while _slice(parts, steps, pace.slice_ns, result):
            pause = pace.pause(clock.boot_ns() - began_ns)
            if pause is None:
                _log.error("verification: %s is too large for the time given to it", part)
                result.unfinished.append(part)
                break
            await asyncio.sleep(pause)
    if result.found > before:
        _log.error("verification: %s: %d findings", part, result.found - before)


def read(rows: Rows) -> Verification | None:
    """What the background has stored last."""
    data = rows.get(Table.SETTING, _ROW)
    return None if data is None else decode(Verification, data)


def store(txn: Transaction, verification: Verification) -> None:
    """Keep it for whoever asks."""
    txn.put(Table.SETTING, _ROW, encode(verification))


def stored(finding: Finding) -> StoredFinding:
    """The finding as it is kept."""
    return StoredFinding(finding.table, finding.key, finding.reason)


def _slice(parts: Parts, steps: Iterator[Checked], slice_ns: int, result: Result) -> bool:
    """Check for `slice_ns`; says whether there is more."""
    end_ns = parts.clock.boot_ns() + slice_ns
    for checked in steps:
        known = len(result.findings)
        result.add(checked)
        parts.metrics.add("scrub_rows", checked.rows)
        if checked.findings:
            parts.metrics.add("tampered_rows", len(checked.findings))
        for finding in result.findings[known:]:
            _log.error(
                "verification: table %s, key %s: %s",
                finding.table, finding.key.hex(), finding.reason,
            )  # fmt: skip
        if parts.clock.boot_ns() >= end_ns:
            return True
    return False
