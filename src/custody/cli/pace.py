"""How fast requests may follow each other: RATE_LIMIT, written `rate` or `rate:burst`."""

import time

from custody.cli.errors import UsageError


class Pace:
    """Lets `burst` requests pass at once, and `rate` in a second."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._left = float(burst)
        self._seen = time.monotonic()

    def wait(self) -> None:
        """Sleep until the next request may be sent."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._seen) * self._rate)
        self._seen = now
        if self._left < 1:
            time.sleep((1 - self._left) / self._rate)
        self._left -= 1


def read_pace(text: str) -> Pace | None:
    """The pace that a text asks for; None for an empty one. Raises UsageError."""
    if not text:
        return None
    rate, _, burst = text.partition(":")
    try:
        read = float(rate), int(burst or "1")
    except ValueError:
        read = 0.0, 0
    if not 0 < read[0] < float("inf") or read[1] < 1:
        raise UsageError("RATE_LIMIT is written as a rate for a second, or rate:burst, as in 10:20")
    return Pace(*read)
