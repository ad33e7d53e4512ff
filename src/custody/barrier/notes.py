"""Notes that the jobs of a commit leave behind: rows of OUTBOX that hold several each."""

from custody.base.record import Record


class Notes(Record, frozen=True, kw_only=True):
    """What lies under a slip's key: a note of each job that left one, in their order."""

    notes: list[bytes]
