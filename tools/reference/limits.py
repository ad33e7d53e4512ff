"""docs/reference/limits.md: how much of everything there may be, as the code has it."""

from collections.abc import Iterator

from custody.core.wrap import MAX_WRAPPED
from custody.engines.kv.v1 import MAX_LIST as MAX_UNPAGED
from custody.engines.kv.v2.listing import MAX_LIST, MAX_PAGE
from custody.engines.kv.v2.records import MAX_PAYLOAD
from custody.engines.kv.v2.schema import MAX_VERSIONS
from custody.http import limits
from custody.policy.service import MAX_NAME
from custody.serve.relay import HEADER_SECONDS
from custody.system.cubbyhole import MAX_LIST as MAX_CUBBYHOLE
from custody.system.cubbyhole import MAX_PATH
from custody.system.policies import MAX_BODY
from custody.token.cidr import MAX_NETWORKS
from custody.token.format import MAX_BATCH_LENGTH, MAX_LENGTH
from custody.token.recall import MAX_RECALLS
from custody.token.service import MAX_DEPTH
from tools.reference import markdown

_TEXT = """\
Beside these, each route says the largest body that it takes (1 MiB where it says nothing), and a
listener may take less (`max_request_size`)."""
_KIB, _MIB = 1024, 1024 * 1024


def page() -> str:
    """The page."""
    rows = markdown.table(("what", "limit", "answer beyond it"), _rows())
    return "\n".join([markdown.head("Limits", _TEXT), rows])


def _rows() -> Iterator[tuple[str, str, str]]:
    yield "the value of a secret (KV), as JSON, also after a patch", _bytes(MAX_PAYLOAD), "400"
    yield "versions kept of a secret", f"{MAX_VERSIONS:,} (`max_versions`)", "400"
    yield "names in one LIST of KV version 2 without `limit`", f"{MAX_LIST:,}", _PAGED
    yield "names in one SCAN of KV version 2", f"{MAX_PAGE:,}", _PAGED
    yield "names in one LIST or SCAN of KV version 1", f"{MAX_UNPAGED:,}", "400"
    yield "names in one LIST or SCAN of a cubbyhole", f"{MAX_CUBBYHOLE:,}", "400"
    yield "a path in a cubbyhole", f"{MAX_PATH} bytes", "400"
    yield "a path below `/v1/`", f"{limits.MAX_API_PATH_BYTES:,} bytes", "400"
    yield "a segment of a path", f"{limits.MAX_SEGMENT_BYTES} bytes", "400"
    yield "nesting of a JSON body", f"{limits.MAX_JSON_DEPTH} levels", "400"
    yield (
        "names and texts in a JSON body",
        f"{limits.MAX_JSON_STRINGS:,} (`max_request_json_strings`)",
        "400",
    )
    yield "any body", _bytes(limits.MAX_BODY_BYTES), "413"
    yield "the body that holds a policy", _bytes(MAX_BODY), "413"
    yield "the name of a policy", f"{MAX_NAME} bytes", "400"
    yield "the header of a request", _bytes(limits.MAX_HEADER_BYTES), "431"
    yield "a path with its query", _bytes(limits.MAX_PATH_BYTES), "414"
    yield "the time for a PROXY header to arrive", f"{HEADER_SECONDS:.0f} seconds", "hung up on"
    yield (
        "the rate at which a snapshot to restore arrives, after the first 30 seconds",
        f"{limits.UPLOAD_RATE // _KIB} KiB/s at least",
        "408",
    )
    yield "the time for a body to arrive", f"{limits.BODY_DEADLINE_SECONDS:.0f} seconds", "408"
    yield "a response that is wrapped", _bytes(MAX_WRAPPED), "400"
    yield "ancestors of a token", str(MAX_DEPTH), "400"
    yield "an id that a caller chooses for a token", f"{MAX_LENGTH} characters", "400"
    yield "a batch token", f"{MAX_BATCH_LENGTH:,} characters", "400"
    yield "networks that a token is bound to", str(MAX_NETWORKS), "400"
    yield "paths whose tokens were revoked and wait to be cleared", str(MAX_RECALLS), "503"


_PAGED = "400, which asks for `limit` and `after`"


def _bytes(size: int) -> str:
    return f"{size // _MIB} MiB" if size >= _MIB else f"{size // _KIB} KiB"
