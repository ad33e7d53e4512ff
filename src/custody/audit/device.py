"""The contract of an audit device, and the optional abilities beside it."""

from collections.abc import Awaitable, Sequence
from typing import Protocol, runtime_checkable


class DeviceFailed(Exception):
    """A device did not take a batch, or only its first `accepted` records."""

    def __init__(self, reason: str, accepted: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.accepted = accepted


class Device(Protocol):
    """Takes batches of records; does its input and output away from the event loop."""

    def accept(self, batch: Sequence[bytes], deadline_ns: int) -> Awaitable[None]:
        """Keep every record of `batch`, each one JSON object without a line end.

        `deadline_ns` is on the boot clock: a batch not begun by then is not written.
        Raises DeviceFailed.
        """
        ...

    def stop(self) -> None:
        """Take no more batches, finish those taken, then end; returns at once."""
        ...

    async def close(self) -> None:
        """As `stop`, and wait for the end, within a bound."""
        ...


@runtime_checkable
class Searchable(Protocol):
    """A device that can say what it already holds."""

    async def contains(self, event_ids: set[str], since_ns: int) -> set[str]:
        """Those of `event_ids` that a record written after `since_ns` carries."""
        ...


@runtime_checkable
class Reopenable(Protocol):
    """A device that can let go of its file and open it anew."""

    def reopen(self) -> None:
        """Open again before the next batch; returns at once."""
        ...


class Broken:
    """Stands for a device that could not be made: it keeps the node from answering unrecorded."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def accept(self, batch: object, deadline_ns: int) -> None:
        del batch, deadline_ns
        raise DeviceFailed(self._reason)

    def stop(self) -> None:
        """Nothing runs."""

    async def close(self) -> None:
        """Nothing runs."""
