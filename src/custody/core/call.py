"""One API call as the edge hands it to the pipeline, and the answer it takes back."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from custody.base.secret import Secret
from custody.plugin.request import NOTHING, Reply
from custody.plugin.route import Op


class Call:
    """One API call. `path` is below /v1/, decoded and checked; a LIST path ends in a slash.

    `body` is the decoded JSON object or form, `query` the query's last value for each name.
    `wrap_ttl` is in seconds, 0 where no wrapping was asked for. `upload` is the body of a route
    that takes uploads, `headers` are as they came, names in lower case.
    """

    def __init__(  # noqa: PLR0913 one for each field
        self,
        id: str,  # noqa: A002 the field's own name
        op: Op,
        path: str,
        token: Secret[str] | None = None,
        *,
        body: Mapping[str, Any] = NOTHING,
        query: Mapping[str, str] = NOTHING,
        wrap_ttl: int = 0,
        remote_address: str = "",
        remote_port: int = 0,
        help: bool = False,  # noqa: A002 the same
        head: bool = False,
        upload: AsyncIterator[bytes] | None = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        self.id: Final = id
        self.op: Final = op
        self.path: Final = path
        self.token: Final = token
        self.body: Final = body
        self.query: Final = query
        self.wrap_ttl: Final = wrap_ttl
        self.remote_address: Final = remote_address
        self.remote_port: Final = remote_port
        self.help: Final = help
        self.head: Final = head
        self.upload: Final = upload
        self.headers: Final = headers

    def __repr__(self) -> str:
        return f"Call({self.id!r}, {self.op!r}, {self.path!r})"


class CrossOrigin:
    """What a page of another origin may: which one it is, and the headers that it may send."""

    def __init__(self, origin: str, headers: tuple[str, ...], *, credentials: bool) -> None:
        self.origin: Final = origin
        self.headers: Final = headers
        self.credentials: Final = credentials


class Answer:
    """What the pipeline decided to say. `reply` None means: 204, nothing to say.

    `text` is the reply's data in JSON, where that was made already.
    """

    def __init__(  # noqa: PLR0913 one for each field
        self,
        request_id: str,
        status: int,
        reply: Reply | None = None,
        warnings: tuple[str, ...] = (),
        *,
        raw: bool = False,
        top: bool = False,
        text: bytes = b"",
    ) -> None:
        self.request_id: Final = request_id
        self.status: Final = status
        self.reply: Final = reply
        self.warnings: Final = warnings
        self.raw: Final = raw
        self.top: Final = top
        self.text: Final = text
