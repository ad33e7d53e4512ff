"""What was read of the head of a request."""

from collections.abc import Mapping

import msgspec

from custody.base.secret import Secret
from custody.plugin.route import BODIED, Op


class Headers(msgspec.Struct):
    """The few headers that mean something here."""

    token: Secret[str] | None = None
    content_type: str = ""
    content_length: int | None = 0  # bytes; None: not told in advance
    chunked: bool = False
    namespace: str = ""
    origin: str = ""
    wrap_ttl: str = ""


class Target(msgspec.Struct, frozen=True):
    """What the request line asks for."""

    op: Op
    path: str
    query: Mapping[str, str]
    help: bool
    head: bool

    @property
    def bodied(self) -> bool:
        """Whether a body means anything: those of reads, lists and deletions do not."""
        return self.op in BODIED and not self.help
