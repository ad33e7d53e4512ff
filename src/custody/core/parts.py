"""The parts that a process of a node is made of; `serve` builds them, core composes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from custody.barrier.barrier import Barrier
from custody.base.clock import Clock
from custody.base.ids import Source
from custody.base.store import Store
from custody.core.call import Call
from custody.core.desk import Settings
from custody.core.ports import Custodian, Devices, Journal, Metrics
from custody.plugin.route import Engine


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker or the steward consists of. `catalog` names every engine kind there is.

    `running` are the requests that it is answering, by their ids, and when they came.
    """

    store: Store
    barrier: Barrier
    broker: Devices
    custodian: Custodian
    metrics: Metrics
    journal: Journal
    catalog: Mapping[str, Engine]
    settings: Settings
    clock: Clock
    source: Source
    running: dict[str, tuple[Call, int]] = field(default_factory=dict)
