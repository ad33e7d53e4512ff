"""Checks everything stored in the background: soon after the start, then once a day.

A run checks one part, gently (`custody.core.verification`), on a snapshot of its own that is held
for ten minutes at most; how far it is and what it found stand in the store for `sys/verify`. A
process that dies begins again at its next start.
"""

import logging
from typing import Final

from custody.base.clock import NANOSECOND
from custody.base.errors import CustodyError
from custody.base.store import Tampered
from custody.core import verification
from custody.core.jobs.job import LONGEST
from custody.core.parts import Parts
from custody.core.verification import BACKGROUND, PARTS, Pace, Result, Verification

DELAY_NS: Final = 60 * NANOSECOND  # after the start, whose work comes first
INTERVAL_NS: Final = 24 * 3600 * NANOSECOND
_log = logging.getLogger(__name__)


class Scrub:
    """The job."""

    name: Final = "scrub"

    def __init__(self, parts: Parts, pace: Pace = BACKGROUND) -> None:
        self._parts = parts
        self._pace = pace
        self._due_ns = parts.clock.boot_ns() + DELAY_NS
        self._place = 0  # of the next part
        self._started_ns = 0
        self._result = Result()

    async def run(self) -> float:
        """Check one part if it is time; answers after how many seconds to come back."""
        clock = self._parts.clock
        wait_ns = self._due_ns - clock.boot_ns()
        if wait_ns > 0:
            return min(LONGEST, wait_ns / NANOSECOND)
        if self._place == 0:
            self._started_ns, self._result = clock.now_ns(), Result()
        part = PARTS[self._place]
        await self._keep(part)
        await verification.check(self._parts, part, self._pace, self._result)
        self._place += 1
        if self._place == len(PARTS):
            await self._finish()
        return 0.0

    async def _finish(self) -> None:
        self._place = 0
        self._due_ns = self._parts.clock.boot_ns() + INTERVAL_NS
        _log.info("verification: %d rows read, %d findings", self._result.rows, self._result.found)
        await self._keep("", self._parts.clock.now_ns())

    async def _keep(self, part: str, finished_ns: int = 0) -> None:
        """Store how far it is. A store that cannot take it is no reason to check no further."""
        result = self._result
        kept = Verification(
            started_ns=self._started_ns,
            finished_ns=finished_ns,
            part=part,
            rows=result.rows,
            found=result.found,
            findings=tuple(verification.stored(finding) for finding in result.findings),
            unfinished=tuple(result.unfinished),
        )
        try:
            await self._parts.barrier.write(
                lambda txn: verification.store(txn, kept), essential=True
            )
        except (CustodyError, Tampered) as error:
            _log.error("verification: its result cannot be kept: %s", error)
