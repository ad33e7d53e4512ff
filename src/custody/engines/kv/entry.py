"""A name in a directory, as it is stored."""

from custody.base.record import Record


class Entry(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A name in a directory."""

    id: bytes
