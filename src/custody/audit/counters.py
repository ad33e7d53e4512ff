"""What each audit device has done, for metrics."""

import msgspec


class Counters(msgspec.Struct):
    """What one device has done since this process first used it."""

    accepted: int = 0  # records
    failed: int = 0  # records
    batches: int = 0
    last_error: str = ""
