"""Which processor a worker runs on.

A worker's threads take turns at Python, so several processors gain them little; but the kernel
moves them about, and each finds its data in the other processor's cache. Measured with two workers
on two processors that the clients share: kept to one each they do 13 % more reads, 18 % more
durable writes and token creations. Where there are processors to spare nothing was measured, so
the kernel has its way there.
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
    """Run on that processor only, from now on, with all threads that begin later.

    A processor that was taken away from the node, and a sandbox that forbids the call, change
    nothing: the log tells of it.
    """
    if chosen == ANY:
        return
    try:
        os.sched_setaffinity(0, {chosen})
    except OSError as error:
        _log.warning("does not keep to processor %d: %s", chosen, error.strerror)
