"""The HTTP client: one request, one answer, and errors that say what to do next.

Redirects are followed once, never from https to http. No write is sent twice: one whose answer
was lost may have happened, and only the user knows whether to repeat it. Reads are repeated where
MAX_RETRIES asks for it, and once where the server hung up before it said anything: a node that was
just sealed starts its processes anew.
"""

import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, Protocol
from urllib.parse import SplitResult, quote, urlencode, urljoin, urlsplit

from custody.base.secret import Secret
from custody.cli.ending import Ending
from custody.cli.errors import RemoteError, UsageError
from custody.cli.hints import Refusal, next_step
from custody.cli.link import headers_of, link_to, target_of
from custody.cli.output import to_json
from custody.cli.request import Answer, Instead, Request
from custody.cli.settings import Connection, Show

_REDIRECTS = frozenset({301, 302, 307, 308})
_NOT_FOUND = 404
_FIRST_REFUSAL = 300  # redirects that were not followed, and errors
_SHOWN_PARAMETERS = frozenset({"list", "version", "after", "limit"})
_LONGEST_RAW = 500  # characters of an answer that is not ours, in an error
_PIECE = 64 * 1024  # bytes
_SOON = 0.01  # seconds
_PASSING = frozenset({412, 500, 502, 503, 504})  # may be another answer a moment later
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 10.0  # seconds between repetitions of a read
_HUNG_UP = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)
_REPEATABLE = frozenset({"GET", "HEAD"})
_TO_TLS = b"Client sent an HTTP request to an HTTPS server"


Reads = Callable[[http.client.HTTPResponse, socket.socket], Iterator[bytes]]


def _whole(response: http.client.HTTPResponse, _line: socket.socket) -> Iterator[bytes]:
    """What is there to be read, in pieces."""
    while piece := response.read(_PIECE):
        yield piece


def _as_it_comes(
    response: http.client.HTTPResponse, line: socket.socket, seconds: float | None
) -> Iterator[bytes]:
    """What is said, as it is said, for `seconds` or for ever."""
    end = None if seconds is None else time.monotonic() + seconds
    while True:
        line.settimeout(None if end is None else max(_SOON, end - time.monotonic()))
        try:
            piece = response.read1(_PIECE)
        except TimeoutError:
            return
        if not piece:
            return
        yield piece


class _HungUp(RemoteError):
    """The server ended the connection before it said anything."""


class Readable(Protocol):
    """What is sent from."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; empty at the end."""
        ...


class Client:
    """Requests to one server, under one connection's settings."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def in_root_namespace(self) -> "Client":
        """The same client without a namespace, for what belongs to the whole server."""
        return Client(replace(self._connection, namespace=""))

    def preparing(self) -> "Client":
        """The same client for requests that prepare another: sent, and not wrapped."""
        return Client(replace(self._connection, wrap_ttl="", show=Show.ANSWER))

    def patient(self, seconds: float) -> "Client":
        """The same client, which waits at least `seconds` for an answer."""
        timeout = max(seconds, self._connection.timeout)
        return Client(replace(self._connection, timeout=timeout))

    @property
    def has_token(self) -> bool:
        """Whether requests show a token."""
        return bool(self._connection.token)

    def with_token(self, token: Secret[str]) -> "Client":
        """The same client with another token."""
        return Client(replace(self._connection, token=token))

    def read(self, path: str, parameters: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """The envelope at `path`, {} when there is none. Raises RemoteError.

        A 404 that carries data or warnings (a deleted version) is an answer, not an error.
        """
        return self._found(Request("GET", path, _pairs(parameters or {})))

    def list(self, path: str, page: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """The envelope of a list, {} when there is none; `page` is after, limit or both.

        Raises RemoteError.
        """
        return self._found(Request("GET", path, (("list", "true"), *_pairs(page or {}))))

    def write(
        self, path: str, body: Mapping[str, Any] | None = None, method: str = "PUT"
    ) -> Mapping[str, Any]:
        """Send `body`; the envelope, {} when the server had nothing to say. Raises RemoteError."""
        return self._send(Request(method, path, body=body)).body

    def patch(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send a JSON merge patch (RFC 7396). Raises RemoteError."""
        media_type = "application/merge-patch+json"
        return self._send(Request("PATCH", path, body=body, media_type=media_type)).body

    def delete(self, path: str, parameters: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """Delete `path`; the envelope, {} for an answer without one. Raises RemoteError."""
        return self._send(Request("DELETE", path, _pairs(parameters or {}))).body

    def scan(self, path: str, page: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """As `list`, of all that is below `path`. Raises RemoteError."""
        return self._found(Request("GET", path, (("scan", "true"), *_pairs(page or {}))))

    def read_raw(self, path: str, parameters: Mapping[str, Any] | None = None) -> bytes:
        """The bytes at `path` as they came. Raises RemoteError."""
        request = Request("GET", path, _pairs(parameters or {}))
        status, raw = self._fetch(request)
        if status >= _FIRST_REFUSAL:
            self._checked(request, Answer(status, self._decoded(request, status, raw)))
        return raw

    def download(self, path: str, write: Callable[[bytes], None]) -> None:
        """Hand the bytes at `path` to `write` as they come. Raises RemoteError."""
        for piece in self._pieces(Request("GET", path)):
            write(piece)

    def upload(self, path: str, file: Readable, size: int) -> None:
        """Send `size` bytes of a file. Raises RemoteError."""
        for _ in self._pieces(Request("POST", path), file, size):
            pass

    def follow(
        self,
        path: str,
        parameters: Mapping[str, Any],
        seconds: float | None = None,
        ending: Ending | None = None,
    ) -> Iterator[bytes]:
        """What the server says at `path` as it says it, however long it is silent between.

        For `seconds` where they are given, and until its `ending`. Raises RemoteError.
        """
        reads = partial(_as_it_comes, seconds=seconds)
        return self._pieces(Request("GET", path, _pairs(parameters)), reads=reads, ending=ending)

    def _pieces(
        self,
        request: Request,
        file: Readable | None = None,
        size: int = 0,
        *,
        reads: Reads = _whole,
        ending: Ending | None = None,
    ) -> Iterator[bytes]:
        if self._connection.show is not Show.ANSWER:
            raise Instead(_described(self._connection, request))
        connection, address = self._connection, self._connection.address
        headers: dict[str, bytes | str] = {
            **_headers(connection, request),
            **headers_of(address, connection),
        }
        if file is not None:
            headers |= {"Content-Type": "application/gzip", "Content-Length": str(size)}
        link = link_to(address, connection)
        try:
            target = f"{address.path}/v1/{quote(request.path)}"
            if request.parameters:
                target += "?" + urlencode(request.parameters)
            link.request(request.method, target_of(address, connection, target), file, headers)
            line = link.sock
            if ending is not None:
                ending.of(line)
            response = link.getresponse()
            if response.status >= _FIRST_REFUSAL:
                answer = self._decoded(request, response.status, response.read())
                self._checked(request, Answer(response.status, answer))
            yield from reads(response, line)
        except (OSError, http.client.HTTPException) as error:
            where = self._where(address)
            raise RemoteError(_failure(error, where, self._connection.timeout)) from error
        finally:
            link.close()

    def _found(self, request: Request) -> Mapping[str, Any]:
        answer = self._exchange(request)
        if answer.status != _NOT_FOUND:
            return self._checked(request, answer).body
        return answer.body if answer.body.get("data") or answer.body.get("warnings") else {}

    def _send(self, request: Request) -> Answer:
        return self._checked(request, self._exchange(request))

    def _exchange(self, request: Request) -> Answer:
        status, raw = self._fetch(request)
        return Answer(status, self._decoded(request, status, raw))

    def _fetch(self, request: Request) -> tuple[int, bytes]:
        """Status and body, after as many repetitions of a read as MAX_RETRIES allows."""
        if self._connection.show is not Show.ANSWER:
            raise Instead(_described(self._connection, request))
        status, raw = self._follow(request)
        for attempt in range(self._connection.retries):
            if request.method != "GET" or status not in _PASSING:
                break
            time.sleep(min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE))
            status, raw = self._follow(request)
        return status, raw

    def _follow(self, request: Request) -> tuple[int, bytes]:
        address = self._connection.address
        target = f"{address.path}/v1/{quote(request.path, errors='surrogateescape')}"
        if request.parameters:
            target += "?" + urlencode(request.parameters, errors="surrogateescape")
        status, raw, location = self._round_trip(address, request, target)
        if status in _REDIRECTS and location and self._connection.follow_redirects:
            moved = urlsplit(urljoin(f"{address.scheme}://{address.netloc}{target}", location))
            if moved.scheme not in ("https", address.scheme):
                raise RemoteError("redirect would cause protocol downgrade")
            target = moved.path + (f"?{moved.query}" if moved.query else "")
            status, raw, _ = self._round_trip(moved, request, target)
        return status, raw

    def _round_trip(
        self, address: SplitResult, request: Request, target: str
    ) -> tuple[int, bytes, str]:
        try:
            return self._ask(address, request, target)
        except _HungUp:
            if request.method not in _REPEATABLE:
                raise
        return self._ask(address, request, target)

    def _ask(self, address: SplitResult, request: Request, target: str) -> tuple[int, bytes, str]:
        connection = self._connection
        headers, body = _headers(connection, request), _encoded(request.body)
        link = link_to(address, connection)
        if connection.pace is not None:
            connection.pace.wait()
        refusal: type[RemoteError] = _HungUp
        try:
            link.request(
                request.method,
                target_of(address, connection, target),
                body,
                {**headers, **headers_of(address, connection)},
            )
            response = link.getresponse()
            refusal = RemoteError
            return response.status, response.read(), response.getheader("Location", "")
        except (OSError, http.client.HTTPException) as error:
            kind = refusal if isinstance(error, _HUNG_UP) else RemoteError
            where = self._where(address)
            raise kind(_failure(error, where, self._connection.timeout)) from error
        finally:
            link.close()

    def _where(self, address: SplitResult) -> str:
        """What is dialled for that address."""
        own = address.netloc == self._connection.address.netloc
        if own and self._connection.socket:
            return self._connection.place
        return f"{address.scheme}://{address.netloc}"

    def _decoded(self, request: Request, status: int, raw: bytes) -> Mapping[str, Any]:
        if not raw.strip():
            return {}
        try:
            body = json.loads(raw, parse_float=Decimal)
        except (ValueError, RecursionError) as error:
            raise RemoteError(self._refusal(request, status, _unexpected(raw)), status) from error
        if not isinstance(body, dict):
            raise RemoteError(self._refusal(request, status, _unexpected(raw)), status)
        return body

    def _checked(self, request: Request, answer: Answer) -> Answer:
        if answer.status < _FIRST_REFUSAL:
            return answer
        errors = answer.body.get("errors")
        listed = errors if isinstance(errors, list) else []
        text = "Errors:\n\n" + "\n".join(f"* {error}" for error in listed)
        hint = next_step(
            Refusal(request.path, answer.status, list(map(str, listed)), self.has_token)
        )
        hint = _told_of_use(answer.body) or hint
        raise RemoteError(self._refusal(request, answer.status, text), answer.status, hint)

    def _refusal(self, request: Request, status: int, text: str) -> str:
        address, namespace = self._connection.address, self._connection.namespace
        shown = [pair for pair in request.parameters if pair[0] in _SHOWN_PARAMETERS]
        query = "?" + urlencode(shown) if shown else ""
        path = quote(request.path, errors="surrogateescape")
        return (
            "Error making API request.\n\n"
            + (f"Namespace: {namespace}\n" if namespace else "")
            + f"URL: {request.method} {address.geturl()}/v1/{path}{query}\n"
            + f"Code: {status}. {text}"
        )


def _described(connection: Connection, request: Request) -> str:
    """The request as a line for a shell, or the policy that allows it."""
    from custody.cli import instead  # noqa: PLC0415 only this option pays for it

    if connection.show is Show.POLICY:
        return instead.policy([request])
    return instead.curl(connection, request)


def _told_of_use(body: Mapping[str, Any]) -> str:
    """What a server of ours says of a wrapping token that somebody has used before."""
    told = body.get("wrapping_token")
    if not isinstance(told, Mapping) or "used_time" not in told:
        return ""
    return (
        f"The wrapping token was used at {told['used_time']}. If that was not you, somebody"
        " else may know what it held: replace that, and find out who."
    )


def _pairs(parameters: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    listed = ((name, value if isinstance(value, list) else [value])
              for name, value in parameters.items())  # fmt: skip
    return tuple((name, str(item)) for name, items in listed for item in items)


def _encoded(body: Mapping[str, Any] | None) -> bytes | None:
    if body is None:
        return None
    try:
        return to_json(body).encode()
    except UnicodeEncodeError:
        # `from None`: the error holds the text, which may be a secret.
        raise UsageError("the data is not valid UTF-8 text") from None


def _headers(connection: Connection, request: Request) -> dict[str, bytes]:
    named = [(name, value.reveal()) for name, value in connection.headers]
    named.append(("X-Vault-Request", "true"))
    if request.body is not None:
        named.append(("Content-Type", request.media_type))
    if connection.namespace:
        named.append(("X-Vault-Namespace", connection.namespace))
    if connection.wrap_ttl:
        named.append(("X-Vault-Wrap-TTL", connection.wrap_ttl))
    if connection.token:
        named.append(("X-Vault-Token", connection.token.reveal()))
    for name, value in named:
        if not name.isascii() or not name.isprintable() or not name.strip():
            raise UsageError("a header's name holds characters that cannot be sent")
        if not value.isprintable():
            what = "the token" if name == "X-Vault-Token" else f"the header {name}"
            raise UsageError(f"{what} holds characters that cannot be sent")
    return {name: value.encode() for name, value in named}


def _unexpected(raw: bytes) -> str:
    if _TO_TLS in raw:
        return f"Raw Message:\n\n{_HINT_TLS}"
    return f"Raw Message:\n\n{raw[:_LONGEST_RAW].decode(errors='replace').strip()}"


_HINT_TLS = "The server expects TLS: write its address with https://, in CUSTODY_ADDR or -address."
_HINT_PLAIN = (
    "The server answered without TLS: write its address with http://, in CUSTODY_ADDR or -address."
)
_HINT_CERTIFICATE = (
    "Name the authority that signed the server's certificate with -ca-cert or CUSTODY_CACERT."
)


def _failure(error: Exception, where: str, timeout: float) -> str:
    """Why there was no answer from `where`, and what to do about it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason, hint = f"its certificate is not trusted: {error.verify_message}", _HINT_CERTIFICATE
    elif isinstance(error, ssl.SSLError):
        reason, hint = "the TLS handshake failed", _HINT_PLAIN
    elif isinstance(error, ConnectionRefusedError | FileNotFoundError):
        absent = isinstance(error, FileNotFoundError)
        reason = "there is no such socket" if absent else "connection refused"
        hint = "Is the server running there? Set CUSTODY_ADDR or -address to where it listens."
    elif isinstance(error, TimeoutError):
        reason = f"no answer within {timeout:g} seconds"
        hint = "Is the address right? CUSTODY_CLIENT_TIMEOUT sets how long to wait."
    elif isinstance(error, socket.gaierror):
        reason, hint = "its name does not resolve", "Check CUSTODY_ADDR or -address."
    elif isinstance(error, http.client.HTTPException | ConnectionError):
        reason, hint = "it closed the connection or did not answer in HTTP", _HINT_TLS
        if where.startswith("https:"):
            hint = "Is this the address of a Custody or Vault server?"
    else:
        reason = getattr(error, "strerror", None) or "the connection failed"
        hint = "Check CUSTODY_ADDR or -address."
    return f"cannot reach the server at {where}: {reason}\n\n{hint}"
