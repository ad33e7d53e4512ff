"""An HTTP client for other servers' JSON APIs: one request, one answer, on a thread of its own.

Never a proxy of the environment, never from https to http, never more than a bounded answer. It
belongs to the floor: a seal below the barrier uses it, and so may an engine above.
"""

import asyncio
import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import SplitResult, urljoin, urlsplit

LIMIT: Final = 1024 * 1024  # bytes of an answer
_MOVED: Final = frozenset({307, 308})


class NoAnswer(Exception):
    """The server cannot be reached, or what it says is no JSON; says why, and no header or body."""


@dataclass(frozen=True, slots=True)
class TLSFiles:
    """How a server proves itself, and how we do: paths of PEM files."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    skip_verify: bool = False


@dataclass(frozen=True, slots=True)
class JSONAnswer:
    """The status, and the JSON object; {} where there was none."""

    status: int
    body: Mapping[str, Any] = field(repr=False)


class JSONClient:
    """Requests to one server. Headers may be secret: they are in no error and no repr."""

    def __init__(self, address: str, tls: TLSFiles, timeout: float) -> None:
        """`timeout` is in seconds, for each step of a request. Raises ValueError for an address
        that is none, and OSError for files that cannot be used."""
        self._base = urlsplit(address.rstrip("/"))
        if self._base.scheme not in {"http", "https"} or not self._base.hostname:
            raise ValueError("an address is written https://HOST:PORT")
        if self._base.username or self._base.password:
            raise ValueError("an address holds no name and no password")
        self._timeout = timeout
        self._server_name = tls.server_name
        self._context = _context(tls) if self._base.scheme == "https" else None

    async def send(
        self, method: str, path: str, headers: Mapping[str, str], body: object = None
    ) -> JSONAnswer:
        """One request to `path` below the address. Raises NoAnswer."""
        return await asyncio.to_thread(self._send, method, path, headers, body)

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: object) -> JSONAnswer:
        target = f"{self._base.path}/{path}"
        data = None if body is None else json.dumps(body).encode()
        status, raw, location = self._exchange(self._base, method, target, headers, data)
        if status in _MOVED and location:  # a standby names the one that is active
            whole = urlsplit(
                urljoin(f"{self._base.scheme}://{self._base.netloc}{target}", location)
            )
            if whole.scheme != self._base.scheme:
                raise NoAnswer("it redirects to another protocol")
            status, raw, _ = self._exchange(whole, method, whole.path, headers, data)
        return JSONAnswer(status, _decoded(raw))

    def _exchange(
        self,
        base: SplitResult,
        method: str,
        target: str,
        headers: Mapping[str, str],
        data: bytes | None,
    ) -> tuple[int, bytes, str]:
        link = self._link(base)
        try:
            link.request(method, target, data, {**headers, "Content-Type": "application/json"})
            response = link.getresponse()
            raw = response.read(LIMIT + 1)
            if len(raw) > LIMIT:
                raise NoAnswer("its answer is too long")
            return response.status, raw, response.getheader("Location", "")
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(_reason(error)) from None
        finally:
            link.close()

    def _link(self, base: SplitResult) -> http.client.HTTPConnection:
        host = base.hostname or ""
        if self._context is None:
            return http.client.HTTPConnection(host, base.port, timeout=self._timeout)
        link = _TLSLink(host, base.port, timeout=self._timeout, context=self._context)
        link.server_name = self._server_name or host
        return link

    def __repr__(self) -> str:
        return f"JSONClient({self._base.scheme}://{self._base.netloc})"


class _TLSLink(http.client.HTTPSConnection):
    """A connection that may expect another name in the certificate than it dials."""

    server_name = ""

    def connect(self) -> None:
        """Dial, then have the server prove its name."""
        http.client.HTTPConnection.connect(self)
        context: ssl.SSLContext = self._context  # type: ignore[attr-defined] # the base keeps it
        self.sock = context.wrap_socket(self.sock, server_hostname=self.server_name)


def _context(tls: TLSFiles) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # What Python 3.13 asks beside a valid chain (RFC 5280 to the letter) many private authorities
    # do not do, and no other client of these servers wants: the same is accepted on every Python.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if tls.cert_file:
        context.load_cert_chain(tls.cert_file, tls.key_file or None)
    if tls.skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _decoded(raw: bytes) -> Mapping[str, Any]:
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise NoAnswer("its answer is not JSON") from None
    if not isinstance(body, dict):
        raise NoAnswer("its answer is no JSON object")
    return body


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "it does not answer in HTTP"
