"""What a token and an accessor look like.

A token is a prefix, 24 random base62 characters (142.9 bits) and 6 base62 characters of CRC-32 over
what precedes them. The checksum is no protection: it lets leak scanners tell a token from other
text, and lets a mistyped or made-up one be refused without a look at the store.
"""

import zlib

from custody.base.ids import BASE62, Source, base62

SERVICE = "cus."
BATCH = "cub."
RECOVERY = "cur."
PREFIXES = (SERVICE, BATCH, RECOVERY)
MAX_LENGTH = 512  # characters of a custom id
_RANDOM = 24
_CHECKSUM = 6  # 62**6 > 2**32
LENGTH = len(SERVICE) + _RANDOM + _CHECKSUM


def new_id(source: Source) -> str:
    """A new service token."""
    text = SERVICE + base62(source, _RANDOM)
    return text + _checksum(text)


def new_accessor(source: Source) -> str:
    """A new accessor: 24 base62 characters, without prefix or checksum."""
    return base62(source, _RANDOM)


def well_formed(text: str) -> bool:
    """Whether `text` may be a token of this server.

    A text without one of our prefixes may be an id that an operator chose, so only its length is
    judged. This saves work and guards nothing: the store decides.
    """
    if not text.startswith(PREFIXES):
        return 0 < len(text) <= MAX_LENGTH
    return (
        len(text) == LENGTH and text.isascii() and _checksum(text[:-_CHECKSUM]) == text[-_CHECKSUM:]
    )


def _checksum(text: str) -> str:
    rest = zlib.crc32(text.encode())
    digits = ""
    for _ in range(_CHECKSUM):
        rest, digit = divmod(rest, 62)
        digits = BASE62[digit] + digits
    return digits
