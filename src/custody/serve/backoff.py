"""How long to wait before a process that ended is started again."""

FIRST = 0.1  # seconds
LONGEST = 5.0
SETTLED = 10.0  # a process that lived as long begins anew


class Backoff:
    """At once after a long life, then 0.1 s doubling to 5 s."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = 0.0

    def delay(self, lived: float) -> float:
        """Seconds to wait, given how many seconds the process lived."""
        if lived >= SETTLED:
            self._next = 0.0
        delay = self._next
        self._next = min(LONGEST, max(FIRST, delay * 2))
        return delay
