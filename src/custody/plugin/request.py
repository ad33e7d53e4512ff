"""What a handler is given and what it gives back."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import IO, Any, Final, NoReturn

from custody.base.ids import Source
from custody.plugin.context import Auth, Caller, Mount, WrapInfo

NOTHING: Final[Mapping[str, Any]] = {}


class Request:
    """One request to one handler. `body` is an instance of the action's Fields class, or None.

    `path` is below the mount. `warnings` are the handler's own and make an answer of a 204;
    `ignored` are the core's, about fields that nobody reads, and are shown only where the answer
    has a body anyway. `found` is what the route's `exists` found, for the handler; in a transaction
    it holds only if it was read by `memo`: those rows are compared first. `upload` is the body of a
    route that takes uploads. `wrap_ttl` is for how many seconds the answer is to be wrapped; 0: it
    is not.
    """

    def __init__(  # noqa: PLR0913 one for each field
        self,
        *,
        id: str,  # noqa: A002 the field's own name
        path: str,
        mount: Mount,
        params: Mapping[str, str],
        now_ns: int,
        source: Source,
        body: Any = None,
        raw: Mapping[str, Any] = NOTHING,
        query: Mapping[str, str] = NOTHING,
        caller: Caller | None = None,
        remote: str = "",
        op: str = "",
        upload: AsyncIterator[bytes] | None = None,
        wrap_ttl: int = 0,
    ) -> None:
        self.id = id
        self.path = path
        self.mount = mount
        self.params = params
        self.now_ns = now_ns
        self.source = source
        self.body = body
        self.raw = raw
        self.query = query
        self.caller = caller
        self.remote = remote
        self.op = op
        self.upload = upload
        self.wrap_ttl = wrap_ttl
        self.found: Any = None
        self.warnings: list[str] = []
        self.ignored: list[str] = []

    def __repr__(self) -> str:
        return f"Request({self.id!r}, {self.op!r}, {self.path!r})"

    def warn(self, text: str) -> None:
        """Add a warning to the answer, which then has a body to carry it."""
        if text not in self.warnings:
            self.warnings.append(text)


class Reply:
    """An answer. `status` None means 200 with anything to say, else 204.

    `content` is a raw, non-JSON answer; `file` another, sent from its beginning and closed, or
    pieces as they are made. `created` are tokens (salted hashes) that only this answer can deliver:
    they are revoked if the answer cannot be recorded. `recorded` is for the audit record alone,
    beside `data`.
    """

    def __init__(  # noqa: PLR0913 one for each field
        self,
        data: Mapping[str, Any] | None = None,
        *,
        status: int | None = None,
        auth: Auth | None = None,
        lease_duration: int = 0,
        content: bytes | None = None,
        content_type: str = "application/json",
        headers: tuple[tuple[str, str], ...] = (),
        created: tuple[bytes, ...] = (),
        file: IO[bytes] | AsyncGenerator[bytes, None] | None = None,
        wrap: WrapInfo | None = None,
        recorded: Mapping[str, Any] | None = None,
    ) -> None:
        self.data = data
        self.status = status
        self.auth = auth
        self.lease_duration = lease_duration
        self.content = content
        self.content_type = content_type
        self.headers = headers
        self.created = created
        self.file = file
        self.wrap = wrap
        self.recorded = recorded

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reply) and self._parts() == other._parts()

    def __hash__(self) -> NoReturn:
        raise TypeError("a Reply is not hashable: it changes")

    def __repr__(self) -> str:
        return f"Reply(status={self.status!r})"

    def _parts(self) -> tuple[object, ...]:
        return (
            self.data, self.status, self.auth, self.lease_duration, self.content,
            self.content_type, self.headers, self.created, self.file, self.wrap, self.recorded,
        )  # fmt: skip
