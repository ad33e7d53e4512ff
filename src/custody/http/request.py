"""Bytes to a Call: verb, path, headers, query and body, checked before anything is looked up."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec

from custody.base.duration import parse_seconds
from custody.base.errors import (
    BadRequest,
    HeaderTooLarge,
    MethodNotAllowed,
    NotFound,
    PathTooLong,
    UnsupportedMediaType,
    unchained,
)
from custody.base.secret import Secret
from custody.base.truth import FALSE, TRUE
from custody.http.limits import (
    MAX_API_PATH_BYTES,
    MAX_HEADER_BYTES,
    MAX_JSON_DEPTH,
    MAX_JSON_STRINGS,
    MAX_PATH_BYTES,
    MAX_SEGMENT_BYTES,
)
from custody.http.parsed import Headers, Target
from custody.plugin.route import Op

Scope = Mapping[str, Any]
PREFIX: Final = "/v1/"
NAMESPACE: Final = b"x-vault-namespace"
ORIGIN: Final = b"origin"
MAX_LENGTH_DIGITS: Final = 16
HEADER_FRAME: Final = 4  # bytes of a header line beside its name and value
MAX_FORM_FIELDS: Final = 1000
MERGE_PATCH: Final = "application/merge-patch+json"
FORM: Final = "application/x-www-form-urlencoded"
_VERBS: Final = {
    "GET": Op.READ,
    "HEAD": Op.READ,
    "LIST": Op.LIST,
    "SCAN": Op.SCAN,
    "POST": Op.WRITE,
    "PUT": Op.WRITE,
    "PATCH": Op.PATCH,
    "DELETE": Op.DELETE,
}
# What cannot be text: of the two escapes of a character beyond the first 65,536 the first, alone.
_HALF_PAIR: Final = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")
_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_LISTING: Final = frozenset((Op.LIST, Op.SCAN))


class Redirect(Exception):
    """The same request belongs at another path: 307."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


class BadPath(Exception):
    """The path cannot be written by any client of ours: 400 without a body, as in Vault."""


def read_headers(pairs: Iterable[tuple[bytes, bytes]], *, chunked_default: bool) -> Headers:
    """The headers that mean something. Raises HeaderTooLarge, BadRequest or NotFound.

    `chunked_default` says whether a request without Content-Length may have a body all the same
    (HTTP/2, where lengths are optional).
    """
    found = Headers(content_length=None if chunked_default else 0)
    size = 0
    for name, value in pairs:
        size += len(name) + len(value) + HEADER_FRAME
        reader = _HEADERS.get(name)
        if reader is not None:
            reader(found, value.decode("latin-1"))
    if size > MAX_HEADER_BYTES:
        raise HeaderTooLarge(f"the header is over {MAX_HEADER_BYTES} bytes")
    if found.chunked:
        found.content_length = None
    if found.token is None:
        found.token = found.bearer
    return found


# Of a header that comes twice the first one counts, as for what stands between client and server:
# a proxy that looks at one must not see another than is used here.


def _token(found: Headers, value: str) -> None:
    if found.token is None and value.strip():
        found.token = Secret(value.strip())


def _authorization(found: Headers, value: str) -> None:
    scheme, _, credentials = value.partition(" ")
    if scheme.lower() == "bearer" and found.bearer is None and credentials.strip():
        found.bearer = Secret(credentials.strip())


def _content_length(found: Headers, value: str) -> None:
    if not (value.isascii() and value.isdigit() and len(value) < MAX_LENGTH_DIGITS):
        raise BadRequest("Content-Length is not a number")
    found.content_length = int(value)


def _transfer_encoding(found: Headers, _value: str) -> None:
    found.chunked = True  # it wins over a Content-Length (RFC 9112, section 6.3)


def _content_type(found: Headers, value: str) -> None:
    found.content_type = found.content_type or value


def _namespace(found: Headers, value: str) -> None:
    if value.strip("/") not in {"", "root"}:
        raise NotFound("namespace not found")
    found.namespace = found.namespace or value


def _origin(found: Headers, value: str) -> None:
    found.origin = found.origin or value


def _wrap_ttl(found: Headers, value: str) -> None:
    found.wrap_ttl = found.wrap_ttl or value


_HEADERS: Final = {
    b"x-vault-token": _token,
    b"authorization": _authorization,
    b"content-length": _content_length,
    b"transfer-encoding": _transfer_encoding,
    b"content-type": _content_type,
    NAMESPACE: _namespace,
    ORIGIN: _origin,
    b"x-vault-wrap-ttl": _wrap_ttl,
}


def read_wrap_ttl(text: str) -> int:
    """Seconds for which the answer is to be wrapped; 0: not at all. Raises BadRequest."""
    try:
        seconds = parse_seconds(text)
    except BadRequest as error:
        raise unchained(
            BadRequest(f"error parsing X-Vault-Wrap-TTL header: {error.messages[0]}")
        ) from None
    if seconds < 0:
        raise BadRequest(
            "error parsing X-Vault-Wrap-TTL header: requested wrap ttl cannot be negative"
        )
    return seconds


def read_target(method: str, raw_path: bytes, query_string: bytes) -> Target:
    """What the request line asks for.

    Raises NotFound outside /v1/, BadPath, BadRequest, PathTooLong, MethodNotAllowed, or Redirect
    to the cleaned path.
    """
    if len(raw_path) + len(query_string) > MAX_PATH_BYTES:
        raise PathTooLong(f"the path is over {MAX_PATH_BYTES} bytes")
    path = _decode_path(raw_path)
    if not path.startswith(PREFIX):
        raise NotFound
    # `find` costs a tenth of `in`, which for bytes raises and clears an error first.
    if raw_path.find(b"//") >= 0 or raw_path.find(b"/.") >= 0:
        _check_clean(raw_path, query_string)
    query = _read_query(query_string) if query_string else {}
    op = _operation(method, query)
    path = _checked(path[len(PREFIX) :], op)
    return Target(op, path, query, help_wanted=bool(query.get("help")), head=method == "HEAD")


def _decode_path(raw_path: bytes) -> str:
    """The path as text. Raises BadPath as Go's servers do: for what no printer would print."""
    if raw_path.find(b"%") >= 0:
        if _BAD_ESCAPE.search(raw_path):
            raise BadPath
        raw_path = unquote_to_bytes(raw_path)
    try:
        path = raw_path.decode("utf-8")  # named: compiled, that is a direct call
    except UnicodeDecodeError:
        raise unchained(BadRequest("the path is not UTF-8")) from None
    if not path.isprintable():
        raise BadPath
    return path


def _check_clean(raw_path: bytes, query_string: bytes) -> None:
    """Raise Redirect if `raw_path` holds empty segments, or `.` or `..` not percent-encoded."""
    segments: list[bytes] = []
    last = b""
    for last in raw_path.split(b"/"):
        if last == b"..":
            segments = segments[:-1]
        elif last not in {b"", b"."}:
            segments.append(last)
    cleaned = b"/" + b"/".join(segments)
    if segments and last in {b"", b".", b".."}:
        cleaned += b"/"
    if cleaned != raw_path:
        location = cleaned + b"?" + query_string if query_string else cleaned
        raise Redirect(location.decode("latin-1"))


def _checked(path: str, op: Op) -> str:
    if ".." in path and ".." in path.split("/"):
        raise BadRequest("relative paths not supported")
    if op in _LISTING and not path.endswith("/"):
        path += "/"
    if len(path) > MAX_SEGMENT_BYTES or not path.isascii():
        _check_lengths(path)
    return path


def _check_lengths(path: str) -> None:
    if len(path.encode()) > MAX_API_PATH_BYTES:
        raise BadRequest(f"the path is over {MAX_API_PATH_BYTES} bytes")
    if any(len(segment.encode()) > MAX_SEGMENT_BYTES for segment in path.split("/")):
        raise BadRequest(f"a segment of the path is over {MAX_SEGMENT_BYTES} bytes")


def _read_query(query_string: bytes) -> dict[str, str]:
    try:
        return dict(
            parse_qsl(query_string.decode("ascii"), keep_blank_values=True, errors="strict")
        )
    except ValueError:
        raise unchained(BadRequest("the query is not UTF-8")) from None


def _operation(method: str, query: Mapping[str, str]) -> Op:
    op = _VERBS.get(method)
    if op is None:
        if method == "OPTIONS":
            raise BadRequest("cannot handle internal-only request operation")
        raise MethodNotAllowed
    if not query or method != "GET":
        return op
    listing, scanning = _flag(query, "list"), _flag(query, "scan")
    if listing and scanning:
        raise BadRequest
    if listing:
        return Op.LIST
    return Op.SCAN if scanning else op


def _flag(query: Mapping[str, str], name: str) -> bool:
    value = query.get(name, "")
    if not value or value in FALSE:
        return False
    if value in TRUE:
        return True
    raise BadRequest


def read_object(
    body: bytes, content_type: str, op: Op, max_strings: int = MAX_JSON_STRINGS
) -> Mapping[str, Any]:
    """The JSON object or form in `body`; empty is {}. Raises BadRequest, UnsupportedMediaType.

    JSON may hold `max_strings` names and texts.
    """
    media = content_type.partition(";")[0].strip().lower()
    if op is Op.PATCH:
        _check_patch(media)
    if not body:
        return {}
    if media == FORM and not body.lstrip().startswith(b"{"):
        return _read_form(body)
    value = _read_json(body)
    # Each has two quotation marks; more of them may also stand within the texts.
    if body.count(b'"') > 2 * max_strings and _strings(value) > max_strings:
        raise BadRequest(
            "refused JSON input due to high complexity: exceeded maximum number of strings"
        )
    return value


def _check_patch(media: str) -> None:
    if not media:
        raise BadRequest("mime: no media type")
    if media != MERGE_PATCH:
        raise UnsupportedMediaType(
            f"PATCH requires Content-Type of {MERGE_PATCH}, provided {media}"
        )


def _read_form(body: bytes) -> Mapping[str, Any]:
    """A form's fields; one that comes more than once is a list."""
    fields: dict[str, Any] = {}
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_FORM_FIELDS,
        )
    except ValueError:
        raise unchained(BadRequest("error parsing form data")) from None
    for name, value in pairs:
        known = fields.get(name)
        if known is None:
            fields[name] = value
        else:
            fields[name] = [*known, value] if isinstance(known, list) else [known, value]
    return fields


def _read_json(body: bytes) -> Mapping[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError) as error:
        if body.isspace():
            return {}
        fault = _json_fault(error, body)
        raise unchained(BadRequest(f"failed to decode JSON input: {fault}")) from None
    except RecursionError:
        raise unchained(BadRequest("failed to decode JSON input: nested too deeply")) from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest(
            f"failed to decode JSON input: json: cannot unmarshal {_json_kind(value)} "
            "into Go value of type map[string]interface {}"
        )
    if body.count(b"{") + body.count(b"[") > MAX_JSON_DEPTH and _deeper(value, MAX_JSON_DEPTH):
        raise BadRequest(
            f"failed to decode JSON input: nested more than {MAX_JSON_DEPTH} levels deep"
        )
    return value


def _json_fault(error: Exception, body: bytes) -> str:
    """What is wrong with the JSON, in words that quote nothing of it."""
    if isinstance(error, UnicodeDecodeError):
        return "invalid UTF-8"
    if not isinstance(error, msgspec.DecodeError) or isinstance(error, msgspec.ValidationError):
        return "number out of range"
    text = str(error)
    if text != "Input data was truncated":
        return text
    return "half of a surrogate pair" if _HALF_PAIR.search(body) else "unexpected EOF"


def _json_kind(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    return "array" if isinstance(value, list) else "string" if isinstance(value, str) else "number"


def _strings(value: object) -> int:
    """How many names and texts there are in a decoded value."""
    count = 0
    left: list[object] = [value]
    while left:
        item = left.pop()
        if isinstance(item, str):
            count += 1
        elif isinstance(item, dict):
            count += len(item)
        left += _parts(item)
    return count


def _deeper(value: object, levels: int) -> bool:
    layer: list[object] = [value]
    for _ in range(levels):
        layer = [part for item in layer for part in _parts(item)]
        if not layer:
            return False
    return any(isinstance(item, dict | list) for item in layer)


def _parts(value: object) -> Iterable[object]:
    """What stands directly in a decoded value."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
