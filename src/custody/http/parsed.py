"""What was read of the head of a request."""

from collections.abc import Mapping
from typing import Final

from custody.base.secret import Secret
from custody.plugin.route import BODIED, Op


class Headers:
    """The few headers that mean something here.

    `content_length` is in bytes; None: not told in advance.
    """

    def __init__(self, content_length: int | None = 0, token: Secret[str] | None = None) -> None:
        self.token = token
        self.bearer: Secret[str] | None = None  # the token of Authorization
        self.content_type = ""
        self.content_length = content_length
        self.chunked = False
        self.namespace = ""
        self.origin = ""
        self.wrap_ttl = ""


class Target:
    """What the request line asks for."""

    def __init__(
        self, op: Op, path: str, query: Mapping[str, str], *, help_wanted: bool, head: bool
    ) -> None:
        self.op: Final = op
        self.path: Final = path
        self.query: Final = query
        self.help: Final = help_wanted
        self.head: Final = head

    @property
    def bodied(self) -> bool:
        """Whether a body means anything: those of reads, lists and deletions do not."""
        return self.op in BODIED and not self.help
