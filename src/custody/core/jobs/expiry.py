"""Takes away tokens whose time is up, from the index on disk, the longest due first.

Memory does not grow with the number of tokens: a run reads the head of the index or one batch. That
a token is expired does not hang on this job, since it is refused from its last second on; what
hangs on it is that descendants, and all that belongs to the token, are cleared.

Time is wall time, never less than the highest time in the store's log. When wall time and boot time
have drifted apart by more than a minute since the job began, someone has set the clock: many tokens
due at once then wait until the clocks agree again or an operator calls `accept_clock`.
"""

import logging
from collections.abc import Callable
from typing import Final

from custody.base.clock import NANOSECOND, Clock
from custody.core.jobs.job import MAX_KEYS, POLL, JobStore
from custody.token import clearing

MAX_DRIFT_NS: Final = 60 * NANOSECOND
MANY: Final = 100  # tokens due at once that a jump of the clock must not take away
BATCH: Final = MAX_KEYS // clearing.KEYS_PER_TOKEN
_log = logging.getLogger(__name__)


class Expiry:
    """The job. `floor` answers the highest time in the store's log, nanoseconds."""

    name: Final = "expiry"

    def __init__(self, store: JobStore, clock: Clock, floor: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock
        self._floor = floor
        self._offset = self._wall_over_boot()
        self.clock_jump = False  # whether mass expiry waits just now
        self.expired = 0  # tokens taken away since the start

    async def run(self) -> float:
        """Expire one batch; answers after how many seconds to come back."""
        now_ns = max(self._clock.now_ns(), self._floor())
        with self._store.snapshot() as rows:
            due_ns = clearing.next_due_ns(rows)
            if due_ns is None or due_ns > now_ns:
                self.clock_jump = False
                return POLL if due_ns is None else min(POLL, (due_ns - now_ns) / NANOSECOND)
            many = clearing.count_due(rows, now_ns, MANY + 1) > MANY
        if self._must_wait(many=many):
            return POLL
        step = await self._store.write(
            lambda txn: clearing.expire(txn, now_ns, BATCH), essential=True
        )
        self.expired += len(step.revoked)
        return 0.0 if step.more else POLL

    def accept_clock(self) -> None:
        """Take the clock as it is now for right: what waits goes on."""
        self._offset = self._wall_over_boot()

    def _must_wait(self, *, many: bool) -> bool:
        drift_ns = self._wall_over_boot() - self._offset
        jumped = many and abs(drift_ns) > MAX_DRIFT_NS
        if jumped and not self.clock_jump:
            _log.error(
                "clock_jump: wall time moved %+d s against boot time; "
                "the expiry of more than %d tokens waits",
                drift_ns // NANOSECOND,
                MANY,
            )
        self.clock_jump = jumped
        return jumped

    def _wall_over_boot(self) -> int:
        return self._clock.now_ns() - self._clock.boot_ns()
