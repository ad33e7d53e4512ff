"""Owns what is audited: the entries that the pipeline hands over, one per request and response.

An entry holds clear values, secrets among them: it prints nothing of them and never leaves the
process. `encode` turns it into the record that a device keeps.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from custody.audit.record import NO_KEYS, Caller, Decision, Mount, Wrapped

_encode: Final = msgspec.json.Encoder().encode


class RequestEntry:
    """One request as it is about to be acted on, or denied (then with `error`).

    `clear_numbers` are the route's: the names in its data and its answer's under which numbers are
    no secret; None: they are none anywhere. Entries with the same `subject` (the same object) are
    equal in all but time, id, data, remote address and port: what they share is encoded once.
    `operation` is read, create, update, patch, delete, list, scan or help, `wrap_ttl` in seconds.
    `headers` are only those that are to be logged, `clear_headers` the names of those whose values
    are not hashed.
    """

    def __init__(  # noqa: PLR0913 one for each field
        self,
        *,
        time_ns: int,
        id: str,  # noqa: A002 the field's name in the record
        operation: str,
        path: str,
        client_token: str = "",
        caller: Caller | None = None,
        mount: Mount | None = None,
        decision: Decision | None = None,
        data: Mapping[str, object] | None = None,
        remote_address: str = "",
        remote_port: int = 0,
        wrap_ttl: int = 0,
        headers: Mapping[str, tuple[str, ...]] | None = None,
        clear_headers: frozenset[str] = NO_KEYS,
        client_id: str = "",
        namespace_id: str = "root",
        namespace_path: str = "",
        error: str = "",
        clear_numbers: frozenset[str] | None = None,
        subject: object = None,
    ) -> None:
        self.time_ns: Final = time_ns
        self.id: Final = id
        self.operation: Final = operation
        self.path: Final = path
        self.client_token: Final = client_token
        self.caller: Final = caller
        self.mount: Final = mount
        self.decision: Final = decision
        self.data: Final = data
        self.remote_address: Final = remote_address
        self.remote_port: Final = remote_port
        self.wrap_ttl: Final = wrap_ttl
        self.headers: Final = headers
        self.clear_headers: Final = clear_headers
        self.client_id: Final = client_id
        self.namespace_id: Final = namespace_id
        self.namespace_path: Final = namespace_path
        self.error: Final = error
        self.clear_numbers: Final = clear_numbers
        self.subject: Final = subject
        self.encoded: Final[dict[object, bytes]] = {}  # the encoders' own memory

    def __repr__(self) -> str:
        return f"RequestEntry({self.id!r})"


class ResponseEntry:
    """What is about to be answered to `request`; with `event_id`, the record of a commit.

    `auth` and `auth_token` are the caller and token that a login or token creation made.
    `recovered` marks the record of a commit that was written after the fact.
    """

    def __init__(  # noqa: PLR0913 one for each field
        self,
        *,
        time_ns: int,
        request: RequestEntry,
        data: Mapping[str, object] | None = None,
        auth: Caller | None = None,
        auth_token: str = "",
        lease_id: str = "",
        wrap: Wrapped | None = None,
        warnings: tuple[str, ...] = (),
        error: str = "",
        event_id: str = "",
        recovered: bool = False,
    ) -> None:
        self.time_ns: Final = time_ns
        self.request: Final = request
        self.data: Final = data
        self.auth: Final = auth
        self.auth_token: Final = auth_token
        self.lease_id: Final = lease_id
        self.wrap: Final = wrap
        self.warnings: Final = warnings
        self.error: Final = error
        self.event_id: Final = event_id
        self.recovered: Final = recovered
        self._text: bytes | None = None

    def __repr__(self) -> str:
        return f"ResponseEntry({self.request.id!r})"

    def text(self) -> bytes:
        """`data` in JSON, made once: devices go by it, and it is what is answered then.

        Empty where there is none, or it has no such form.
        """
        if self._text is None:
            try:
                self._text = _encode(self.data) if self.data else b""
            except (TypeError, ValueError, OverflowError, RecursionError):
                self._text = b""  # what is wrong with it is told by whoever must have it
        return self._text

    @property
    def made(self) -> bytes:
        """That text if somebody has asked for it, else empty."""
        return self._text or b""


Entry = RequestEntry | ResponseEntry
