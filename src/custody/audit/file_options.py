"""The options of a file device."""

from typing import Literal

import msgspec

from custody.base.clock import NANOSECOND

Policy = Literal["none", "interval", "always"]


class FileOptions(msgspec.Struct, frozen=True, kw_only=True):
    """A file device's options, read."""

    file_path: str
    mode: int = 0o600  # 0: as created, 0600, and never changed
    fsync: Policy = "interval"
    fsync_interval_ns: int = NANOSECOND
