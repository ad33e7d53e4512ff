"""One API call as the edge hands it to the pipeline, and the answer it takes back."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec

from custody.base.secret import Secret
from custody.plugin.request import Reply
from custody.plugin.route import Op


class Call(msgspec.Struct, frozen=True):
    """One API call. `path` is below /v1/, decoded and checked; a LIST path ends in a slash.

    `body` is the decoded JSON object or form, `query` the query's last value for each name.
    `wrap_ttl` is in seconds, 0 where no wrapping was asked for.
    """

    id: str
    op: Op
    path: str
    token: Secret[str] | None = None
    body: Mapping[str, Any] = msgspec.field(default_factory=dict)
    query: Mapping[str, str] = msgspec.field(default_factory=dict)
    wrap_ttl: int = 0
    remote_address: str = ""
    remote_port: int = 0
    help: bool = False
    head: bool = False
    upload: AsyncIterator[bytes] | None = None  # the body of a route that takes uploads
    headers: Sequence[tuple[bytes, bytes]] = ()  # as they came, names in lower case

    def __repr__(self) -> str:
        return f"Call({self.id!r}, {self.op!r}, {self.path!r})"


class CrossOrigin(msgspec.Struct, frozen=True):
    """What a page of another origin may: which one it is, and the headers that it may send."""

    origin: str
    headers: tuple[str, ...]
    credentials: bool


class Answer(msgspec.Struct, frozen=True):
    """What the pipeline decided to say. `reply` None means: 204, nothing to say."""

    request_id: str
    status: int
    reply: Reply | None = None
    warnings: tuple[str, ...] = ()
    raw: bool = False
    top: bool = False
