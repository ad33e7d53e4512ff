"""Builds what a process consists of from what it was handed: the one place that knows it all."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from custody.audit.broker import Broker
from custody.audit.kinds import KINDS
from custody.audit.table import Declared
from custody.barrier.barrier import Barrier
from custody.base.clock import Clock, SystemClock
from custody.base.ids import PooledSource, Source, SystemSource
from custody.base.secret import Secret
from custody.base.store import Store
from custody.core import bootstrap
from custody.core.desk import Settings as CoreSettings
from custody.core.parts import Parts
from custody.core.ports import Custodian, Journal
from custody.serve import catalog
from custody.serve.page import Slot
from custody.serve.sanitized import sanitized
from custody.serve.seal_config import plan_of
from custody.serve.settings import Settings
from custody.storage.lmdb import LMDBStore


def open_store(settings: Settings, slot: Slot) -> LMDBStore:
    """The store, its write transactions stamped in `slot`. Raises what LMDBStore.open raises."""
    return LMDBStore.open(
        Path(settings.data_path),
        stamp=slot.stamp,
        clock=SystemClock(),
        low_water=settings.low_water,
    )


def parts(
    settings: Settings, store: Store, slot: Slot, custodian: Custodian, journal: Journal
) -> Parts:
    """What a worker or the steward consists of."""
    clock, source = SystemClock(), SystemSource()
    return Parts(
        store=store,
        barrier=Barrier(store, clock, PooledSource()),
        broker=Broker(KINDS, clock, source),
        custodian=custodian,
        metrics=slot,
        journal=journal,
        catalog=catalog.load(),
        settings=core_settings(settings),
        clock=clock,
        source=source,
    )


def core_settings(settings: Settings) -> CoreSettings:
    """What handlers may know of the configuration."""
    return CoreSettings(
        default_lease_ttl=settings.default_lease_ttl,
        max_lease_ttl=settings.max_lease_ttl,
        cluster_name=settings.cluster_name,
        api_addr=settings.api_addr,
        storage_type="lmdb",
        data_path=settings.data_path,
        sanitized=sanitized(settings),
        declared_audit=declared_audit(settings),
        seals=plan_of(settings.seals),
        closed_rekey=any(listener.closed_rekey for listener in settings.listeners),
        closed_generate_root=any(listener.closed_generate_root for listener in settings.listeners),
    )


def declared_audit(settings: Settings) -> dict[str, Declared]:
    """The audit devices of the configuration, by path."""
    return {
        device.path: Declared(
            type=device.kind, description=device.description, options=device.options
        )
        for device in settings.audit
    }


def first_rows(
    settings: Settings, clock: Clock, source: Source
) -> Callable[[Barrier], Awaitable[Secret[str]]]:
    """What initialisation writes through a new barrier."""
    given = core_settings(settings)

    async def write(barrier: Barrier) -> Secret[str]:
        return await bootstrap.first_rows(barrier, given, clock, source)

    return write
