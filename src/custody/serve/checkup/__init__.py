"""A check-up of the machine that a configuration is for: what would go wrong, and what mends it.

Nothing is changed, no key is needed, and the store is not opened: it may be in use.
"""

from collections.abc import Iterator

from custody.base.clock import Clock
from custody.base.diagnosis import Diagnosis
from custody.serve.checkup import files, listening, machine, sealing
from custody.serve.settings import Settings


def examine(settings: Settings, clock: Clock) -> Iterator[Diagnosis]:
    """Everything that can be seen from here."""
    yield from files.data_directory(settings)
    yield from files.audit_devices(settings)
    yield from sealing.secrets(settings)
    yield from listening.addresses(settings)
    yield from listening.certificates(settings, clock.now_ns())
    yield from machine.clock_is_kept()
    yield from machine.open_files(settings)
    yield from machine.memory()
