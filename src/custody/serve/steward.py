"""The steward's process: what must run once per node, as jobs each on a task of its own."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from custody.base.errors import CustodyError
from custody.base.log import describe
from custody.core.jobs.expiry import Expiry
from custody.core.jobs.job import Alarm, Job, keep_running
from custody.core.jobs.recall import Recall
from custody.core.jobs.recording import Recording
from custody.core.jobs.revocation import Revocation
from custody.core.jobs.rewrap import Rewrap
from custody.core.jobs.rotate import Rotate
from custody.core.jobs.scrub import Scrub
from custody.core.jobs.trim import Trim
from custody.core.jobs.unmount import Unmount
from custody.core.jobs.unseal import Unseal
from custody.core.jobs.upgrade import Upgrade
from custody.core.parts import Parts
from custody.serve.member import Member, start
from custody.serve.wire import declared_audit
from custody.storage.lmdb import LMDBStore

READERS_INTERVAL: Final = 5.0  # seconds
_log = logging.getLogger("custody.serve.steward")  # this is also run as __main__


class Readers:
    """Frees the reader slots of processes that died, so that their pages can be used again."""

    name: Final = "readers"

    def __init__(self, store: LMDBStore) -> None:
        self._store = store

    async def run(self) -> float:
        """Look for dead readers; answers after how many seconds to come back."""
        freed = self._store.clear_dead_readers()
        if freed:
            _log.info("freed %d reader slots of dead processes", freed)
        return READERS_INTERVAL


def jobs_of(parts: Parts) -> Sequence[Job]:
    """What needs the keyring."""
    barrier, clock = parts.barrier, parts.clock

    def floor() -> int:
        with barrier.snapshot() as view:
            return barrier.floor_ns(view)

    return (
        Expiry(barrier, clock, floor),
        Revocation(barrier, clock, floor),
        Recall(barrier, clock, floor),
        Recording(barrier, parts.broker, clock, parts.metrics),
        Unmount(barrier, clock),
        Upgrade(barrier, clock, parts.catalog),
        Rotate(parts),
        Rewrap(barrier, clock),
        Trim(barrier, clock, floor),
        Scrub(parts),
    )


class Steward:
    """Prepares the store when the keyring comes, then keeps the jobs running."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._tasks: list[asyncio.Task[None]] = []
        self._prepared = False

    async def unsealed(self) -> None:
        """The keyring is here, the first or a newer one. Raises what preparing raises."""
        if not self._prepared:
            await self._member.node.prepare(declared_audit(self._member.settings))
            self._prepared = True
            self.launch(jobs_of(self._member.parts))

    async def reloaded(self) -> None:
        """The settings have changed: declared audit devices with them."""
        if self._prepared and not self._member.parts.barrier.sealed:
            try:
                await self._member.node.prepare(declared_audit(self._member.settings))
            except CustodyError as error:
                _log.error("audit devices not reloaded: %s", "; ".join(error.messages))

    def launch(self, jobs: Sequence[Job]) -> None:
        """Run `jobs` from now on."""
        self._tasks += [
            asyncio.create_task(keep_running(job, Alarm(), self._failed)) for job in jobs
        ]

    async def stop(self) -> None:
        """End every job at its next await; what a job had committed stays."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _failed(self, name: str, error: Exception) -> None:
        self._member.slot.add("job_failures")
        text = "; ".join(error.messages) if isinstance(error, CustodyError) else describe(error)
        _log.warning("job %s: %s", name, text)


async def run(member: Member) -> None:
    """Join the node and do the jobs until asked to stop."""
    steward = Steward(member)
    member.store.remove_replaced()
    steward.launch([Readers(member.store)])
    member.on_unsealed = steward.unsealed
    member.on_reloaded = steward.reloaded
    await member.join()
    steward.launch([Unseal(member.parts)])
    member.ready()
    await member.stopping.wait()
    await steward.stop()


if __name__ == "__main__":
    start(run)
