"""The one codec between API paths and names on disk, and the limits of both.

Names lie on disk as UTF-8, so that byte order on disk is the order of a LIST.
"""

from custody.base.errors import BadRequest, unchained

MAX_PATH = 2048  # bytes
MAX_SEGMENT = 400  # bytes
MAX_NAME = MAX_SEGMENT + 1  # a directory's name ends in a slash


def encode_path(path: str) -> list[bytes]:
    """The path's segments as names on disk; an empty segment stays and is found nowhere.

    Raises BadRequest that names the limit for a path or segment that is too long.
    """
    encoded = encode_name(path)
    if len(encoded) > MAX_PATH:
        raise BadRequest(f"path is longer than {MAX_PATH} bytes")
    segments = encoded.split(b"/")
    if len(encoded) > MAX_SEGMENT and max(map(len, segments)) > MAX_SEGMENT:
        raise BadRequest(f"a segment of the path is longer than {MAX_SEGMENT} bytes")
    return segments


def encode_new_path(path: str) -> list[bytes]:
    """As `encode_path`, for a path that is to exist. Raises BadRequest for empty segments too."""
    segments = encode_path(path)
    if not segments[-1]:
        raise BadRequest("cannot write to a path ending in '/'")
    if b"" in segments:
        raise BadRequest("a segment of the path is empty")
    return segments


def encode_name(name: str) -> bytes:
    """`name` as it lies on disk. Raises BadRequest when it has no UTF-8 form."""
    try:
        return name.encode()
    except UnicodeEncodeError:
        raise unchained(BadRequest("path is not valid UTF-8")) from None


def decode_name(name: bytes) -> str:
    """The API's spelling of a name on disk."""
    return name.decode()
