"""Owns how a device's options, which are all text, are read."""

from collections.abc import Mapping
from typing import Final

from custody.audit.shapes import Format
from custody.base.errors import BadRequest
from custody.base.truth import FALSE, TRUE

OPTIONS: Final[Mapping[str, str]] = {
    "file_path": "The file, outside the data directory; `stdout`, or `discard` for none. Needed.",
    "path": "Another name of `file_path`.",
    "mode": "The file's mode, in octal; 0600 unless set.",
    "fsync": "When it is synced: `none`, `interval` or `always`; `interval` unless set.",
    "fsync_interval": "How often that is under `interval`, 10ms or more; 1s unless set.",
    "log_raw": "Write values in clear. For nothing but tests: the file then holds secrets.",
    "hmac_accessor": "Hash accessors, too; true unless set.",
    "elide_list_responses": "Say how many names a LIST answered with, and not which.",
    "skip_test": "Do not try the device by a record when it is enabled.",
    "format": "`json` is the only one.",
    "prefix": "Refused: it would break the lines' form.",
}


def flag(options: Mapping[str, str], name: str, *, default: bool) -> bool:
    """The truth value under `name`, in Go's spellings. Raises BadRequest."""
    text = options.get(name, "")
    if not text:
        return default
    if text in TRUE or text in FALSE:
        return text in TRUE
    raise BadRequest(f'{name}: invalid value "{text}"')


def form_of(options: Mapping[str, str]) -> Format:
    """What a device's records show. Raises BadRequest."""
    if options.get("format", "json") not in {"", "json"}:
        raise BadRequest(f'unknown format type "{options["format"]}"')
    if options.get("prefix"):
        raise BadRequest("audit log prefixing is not allowed")
    return Format(
        hmac_accessor=flag(options, "hmac_accessor", default=True),
        log_raw=flag(options, "log_raw", default=False),
        elide_list_responses=flag(options, "elide_list_responses", default=False),
    )
