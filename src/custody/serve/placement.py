"""Which processor a worker runs on, and in what turns.

A worker's threads take turns at Python, so several processors gain them little; but the kernel
moves them about, and each finds its data in another processor's cache. Kept to one processor, they
cut each other short: whichever is woken (bytes have come, a sync is done) takes the processor from
the one that runs, before that has come to an end. Under the kernel's batch policy it waits.

Measured with two workers on two processors that 64 clients share, durable writes and reads: kept to
a processor each, 18 % and 13 % more; under the batch policy as well, another 10 % and up to 13 %,
and the 99th percentile of 5,000 reads/s is 3.9 ms in place of 4.9. That holds beside another busy
process, too. Where there are processors to spare nothing was measured: the kernel has its way.
"""

import logging
import os
from collections.abc import Collection

ANY = -1

_log = logging.getLogger(__name__)


def processor(slot: int, workers: int, allowed: Collection[int]) -> int:
    """The processor for the worker in that slot; ANY where there are more than workers.

    `allowed` are those that the node may use. Workers have slots in a row.
    """
    if not 1 < len(allowed) <= workers:
        return ANY
    return sorted(allowed)[slot % len(allowed)]


def keep_to(chosen: int) -> None:
    """Run on that processor only, in long turns, with all threads that begin later.

    A processor that was taken away from the node, and a sandbox that forbids the calls, change
    nothing: the log tells of it.
    """
    if chosen == ANY:
        return
    try:
        os.sched_setaffinity(0, {chosen})
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except OSError as error:
        _log.warning("does not keep to processor %d: %s", chosen, error.strerror)
