"""Which processor a worker keeps to, and under which of the kernel's policies.

A worker's threads take turns at Python, so several processors gain them little; but the kernel
moves them about, and each finds its data in another processor's cache. Kept to one processor, they
cut each other short: whichever is woken (bytes have come, a sync is done) takes the processor from
the one that runs, before that has come to an end. Under SCHED_BATCH (sched(7)) it waits.

Measured with two workers on two processors that 64 clients share, durable writes and reads: kept to
a processor each, 18 % and 13 % more; under SCHED_BATCH as well, another 10 % and up to 13 %, and
the 99th percentile of 5,000 reads/s is 3.9 ms in place of 4.9. Beside a process that never sleeps
it was 26 % and 38 % for the first, and no worse a percentile with both. More processors were not
measured; where some are to spare, or cannot be dealt out evenly, the kernel has its way.
"""

import logging
import os
from collections.abc import Collection

_log = logging.getLogger(__name__)


def processor(slot: int, workers: int, allowed: Collection[int]) -> int | None:
    """The processor for the worker in that slot, where all can have as many workers; else None.

    `allowed` are those that the node may use. Workers have slots in a row.
    """
    if len(allowed) == 1 or workers % len(allowed):
        return None
    return sorted(allowed)[slot % len(allowed)]


def keep_to(chosen: int | None) -> None:
    """Keep to that processor, under SCHED_BATCH, with all threads that begin later.

    What the kernel or a sandbox refuses is left as it was, and the log tells of it. A policy that
    somebody chose for the node (real time, idle) stays.
    """
    if chosen is None:
        return
    try:
        os.sched_setaffinity(0, {chosen})
    except OSError as error:
        _log.warning("does not keep to processor %d: %s", chosen, error.strerror)
        return
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        return
    try:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except OSError as error:
        _log.warning("does not run under SCHED_BATCH: %s", error.strerror)
