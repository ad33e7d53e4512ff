"""What a browser is told of a request that a page of another origin makes."""

from typing import Final

from custody.core.call import CrossOrigin
from custody.http.response import ALWAYS, Encoded, Header

REQUESTED: Final = b"access-control-request-method"
METHODS: Final = ("DELETE", "GET", "OPTIONS", "POST", "PUT", "LIST", "SCAN")
_OK: Final = 200
_NOT_ALLOWED: Final = 405
_MAX_AGE: Final = b"300"  # seconds for which a browser need not ask again
_EMPTY: Final = (b"content-length", b"0")


def with_origin(encoded: Encoded, allowed: CrossOrigin) -> Encoded:
    """The answer, for a page of an allowed origin."""
    status, headers, body = encoded
    return status, [*headers, *_allowing(allowed)], body


def preflight(allowed: CrossOrigin, method: str) -> Encoded:
    """The answer to a browser that asks before it sends a request of that method."""
    if method not in METHODS:
        return _NOT_ALLOWED, [*ALWAYS, _EMPTY], b""
    headers = [
        *ALWAYS,
        *_allowing(allowed),
        (b"access-control-allow-methods", ",".join(METHODS).encode()),
        (b"access-control-allow-headers", ",".join(allowed.headers).encode()),
        (b"access-control-max-age", _MAX_AGE),
        _EMPTY,
    ]
    return _OK, headers, b""


def _allowing(allowed: CrossOrigin) -> list[Header]:
    lines = [(b"access-control-allow-origin", allowed.origin.encode("latin-1")),
             (b"vary", b"Origin")]  # fmt: skip
    if allowed.credentials:
        lines.append((b"access-control-allow-credentials", b"true"))
    return lines
