"""`sys/tools`: random bytes, and digests of what a caller has."""

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from typing import Annotated, Final, TypedDict

from custody.base.errors import BadRequest
from custody.core.confine import SystemRows
from custody.plugin.fields import Fields
from custody.plugin.request import Reply, Request
from custody.plugin.route import Op, Route, reads

_MAX_RANDOM: Final = 131_072  # bytes
_SOURCES: Final = ("platform", "seal", "all")
_HASHES: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "sha2-224": lambda data: hashlib.sha224(data).digest(),
    "sha2-256": lambda data: hashlib.sha256(data).digest(),
    "sha2-384": lambda data: hashlib.sha384(data).digest(),
    "sha2-512": lambda data: hashlib.sha512(data).digest(),
    "sha3-224": lambda data: hashlib.sha3_224(data).digest(),
    "sha3-256": lambda data: hashlib.sha3_256(data).digest(),
    "sha3-384": lambda data: hashlib.sha3_384(data).digest(),
    "sha3-512": lambda data: hashlib.sha3_512(data).digest(),
}


class HashFields(Fields, frozen=True, kw_only=True):
    """What to digest, in base64, and how."""

    input: Annotated[str, "What is digested, in base64."] = ""
    algorithm: Annotated[str, "`sha2-` or `sha3-` with 224, 256, 384 or 512."] = "sha2-256"
    format: Annotated[str, "How the digest is written: `hex` or `base64`."] = "hex"


class RandomFields(Fields, frozen=True, kw_only=True):
    """How many bytes, from where and how they are written."""

    bytes: Annotated[int, "How many, from 1 to 131072."] = 32
    source: Annotated[
        str,
        "Where they come from: `platform`, `seal` or `all`, all of them the machine's generator.",
    ] = "platform"
    format: Annotated[str, "How they are written: `base64` or `hex`."] = "base64"


class Sum(TypedDict):
    """A digest, written as was asked for."""

    sum: str


class RandomBytes(TypedDict):
    """Bytes, written as was asked for."""

    random_bytes: str


def digest(request: Request, _rows: SystemRows) -> Reply:
    """The digest of the input."""
    fields: HashFields = request.body
    algorithm = request.params.get("urlalgorithm") or fields.algorithm
    if algorithm not in _HASHES:
        raise BadRequest(f"unsupported algorithm {algorithm}")
    try:
        data = base64.b64decode(fields.input, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f"unable to decode input as base64: {error}") from None
    if fields.format not in {"hex", "base64"}:
        raise BadRequest(f'unsupported encoding format {fields.format}; must be "hex" or "base64"')
    return Reply(data={"sum": _written(_HASHES[algorithm](data), fields.format)})


def random(request: Request, _rows: SystemRows) -> Reply:
    """Random bytes of the machine's generator."""
    fields: RandomFields = request.body
    source, count = _asked(request, fields)
    if count < 1:
        raise BadRequest("'bytes' cannot be less than 1")
    if count > _MAX_RANDOM:
        raise BadRequest(f"'bytes' should be less than {_MAX_RANDOM}")
    if source not in _SOURCES:
        raise BadRequest(
            f'unsupported entropy source "{source}"; must be "platform" or "seal", or "all"'
        )
    if fields.format not in {"hex", "base64"}:
        raise BadRequest(
            f'unsupported encoding format "{fields.format}"; must be "hex" or "base64"'
        )
    if source == "seal":
        request.warn("no seal/entropy augmentation available, using platform entropy source")
    return Reply(data={"random_bytes": _written(request.source.random(count), fields.format)})


def _asked(request: Request, fields: RandomFields) -> tuple[str, int]:
    """Source and number; a single segment of the path is either of them."""
    source = request.params.get("source", "")
    count = request.params.get("urlbytes", "")
    if source and not count and source not in _SOURCES:
        source, count = "", source
    if not count:
        return source or fields.source, fields.bytes
    if not (count.isascii() and count.isdigit()):
        raise BadRequest(f"error parsing url-set byte count: {count[:64]!r} is no number")
    return source or fields.source, int(count[:9])


def _written(data: bytes, form: str) -> str:
    return data.hex() if form == "hex" else base64.b64encode(data).decode()


_HASH: Final = {Op.WRITE: reads(digest, HashFields, shows=Sum)}
_RANDOM: Final = {Op.WRITE: reads(random, RandomFields, shows=RandomBytes)}

ROUTES: Final = (
    Route("tools/hash", _HASH, help="The digest of some data."),
    Route(
        "tools/hash/{urlalgorithm}",
        _HASH,
        takes={"urlalgorithm": "The same as `algorithm`, which it overrides."},
        help="The digest of some data, by an algorithm.",
    ),
    Route("tools/random", _RANDOM, help="Random bytes."),
    Route(
        "tools/random/{source}",
        _RANDOM,
        takes={"source": "Where they come from, as in the body; or how many."},
        help="Random bytes; a source, or how many.",
    ),
    Route(
        "tools/random/{source}/{urlbytes}",
        _RANDOM,
        takes={"urlbytes": "How many, from 1 to 131072."},
        help="So many random bytes of a source.",
    ),
)
