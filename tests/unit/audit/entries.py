"""A request's entry as another one, with some of its fields changed."""

from typing import Any

from custody.audit.entry import RequestEntry

_FIELDS = (
    "time_ns", "id", "operation", "path", "client_token", "caller", "mount", "decision", "data",
    "remote_address", "remote_port", "wrap_ttl", "headers", "clear_headers", "client_id",
    "namespace_id", "namespace_path", "error", "clear_numbers", "subject",
)  # fmt: skip


def changed(entry: RequestEntry, **fields: Any) -> RequestEntry:
    """As `entry`, not yet encoded by anybody."""
    return RequestEntry(**{name: getattr(entry, name) for name in _FIELDS} | fields)
