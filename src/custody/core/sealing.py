"""Changes of the seal's rows: what the custodian made is committed here, then put to use.

A change is one transaction, guarded to the last byte by the rows it was made for. Cut off before
the commit, nothing has happened; after it, the stored rows are what the next unseal finds.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from custody.barrier.meta import SealChange, SealChanged
from custody.barrier.transaction import BarrierTransaction
from custody.base.errors import Unavailable
from custody.core.ceremony import AnyStep, Changing, Rekeying
from custody.core.front import Front
from custody.core.parts import Parts

Job = Callable[[BarrierTransaction], None]
Commit = Callable[[Job], Awaitable[None]]
ATTEMPTS: Final = 8


def by_itself(parts: Parts) -> Commit:
    """How a job commits: without a request that asked for it."""

    async def commit(job: Job) -> None:
        await parts.barrier.write(job, essential=True)

    return commit


async def change_seal(parts: Parts, step: AnyStep, commit: Commit) -> None:
    """Take a step that changes the seal by itself, store its change, put it to use.

    Raises SealChanged if another change was faster, Unavailable.
    """
    outcome = await parts.custodian.take(step, Front(parts).meta())
    if not isinstance(outcome, Changing):
        raise Unavailable("the custodian answered something else")
    await store_change(parts, outcome.change, commit)


async def rekey(
    parts: Parts, step: AnyStep, commit: Commit, prepare: Callable[[Rekeying], Job]
) -> Rekeying:
    """Take a step of a rekey, and store what it made if it was the last.

    `prepare` gives what is to be done in the same transaction, before anything is. A change that
    another one overtook is made anew, since the step may be taken again. Raises BadRequest,
    Unavailable.
    """
    for _ in range(ATTEMPTS):
        outcome = await parts.custodian.take(step, Front(parts).meta())
        if not isinstance(outcome, Rekeying):
            raise Unavailable("the custodian answered something else")
        if outcome.change is None:
            return outcome
        also = prepare(outcome)
        try:
            await store_change(parts, outcome.change, commit, also)
        except SealChanged:
            continue
        return outcome
    raise SealChanged


async def store_change(
    parts: Parts, change: SealChange, commit: Commit, also: Job | None = None
) -> None:
    """Commit the change (and what belongs to it), and have the custodian see it."""

    def job(txn: BarrierTransaction) -> None:
        txn.change_seal(change)
        if also is not None:
            also(txn)

    await commit(job)
    await parts.custodian.install(Front(parts).meta())
