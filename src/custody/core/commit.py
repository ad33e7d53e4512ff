"""What is kept of a commit until its record is on a device."""

from custody.base.record import Record


class Commit(Record, frozen=True, kw_only=True):
    """What is known of a commit without its values."""

    time_ns: int
    request_id: str
    operation: str
    path: str
    mount: str
    kind: str
    accessor: str = ""
    display_name: str = ""
    remote_address: str = ""
