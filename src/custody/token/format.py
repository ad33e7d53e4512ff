"""What a token and an accessor look like.

A service token is a prefix, 24 random base62 characters (142.9 bits) and 6 base62 characters of
CRC-32 over what precedes them. In a batch token the middle is its encrypted content, in base64url
without padding. The checksum is no protection: it lets leak scanners tell a token from other text,
and lets a mistyped or made-up one be refused without a look at the store.
"""

import base64
import binascii
import zlib
from typing import Final

from custody.base.ids import BASE62, Source, base62

SERVICE = "cus."
BATCH = "cub."
RECOVERY = "cur."
PREFIXES = (SERVICE, BATCH, RECOVERY)
MAX_LENGTH = 512  # characters of a custom id
MAX_BATCH_LENGTH = 8192
_RANDOM: Final = 24
_CHECKSUM: Final = 6  # 62**6 > 2**32
_DIGITS: Final = BASE62
_BASE: Final = 62
LENGTH = len(SERVICE) + _RANDOM + _CHECKSUM


def new_id(source: Source) -> str:
    """A new service token."""
    text = SERVICE + base62(source, _RANDOM)
    return text + _checksum(text)


def new_accessor(source: Source) -> str:
    """A new accessor: 24 base62 characters, without prefix or checksum."""
    return base62(source, _RANDOM)


def batch_id(content: bytes) -> str:
    """The batch token that carries `content`."""
    text = BATCH + base64.urlsafe_b64encode(content).rstrip(b"=").decode()
    return text + _checksum(text)


def batch_content(text: str) -> bytes | None:
    """What a batch token carries; None where the text is none."""
    if not text.startswith(BATCH) or not well_formed(text):
        return None
    middle = text[len(BATCH) : -_CHECKSUM]
    try:
        content = base64.b64decode(middle + "=" * (-len(middle) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    # One content has one text: other last bits or padding would make two tokens of one.
    return content if batch_id(content) == text else None


def well_formed(text: str) -> bool:
    """Whether `text` may be a token of this server.

    A text without one of our prefixes may be an id that an operator chose, so only its length is
    judged. This saves work and guards nothing: the store decides.
    """
    return issued(text) if text.startswith(PREFIXES) else 0 < len(text) <= MAX_LENGTH


def issued(text: str) -> bool:
    """Whether `text` has the form that only tokens have which a server made, checksum included."""
    if not text.startswith(PREFIXES) or not text.isascii():
        return False
    batch = text.startswith(BATCH)
    fits = LENGTH < len(text) <= MAX_BATCH_LENGTH if batch else len(text) == LENGTH
    return fits and _checksum(text[:-_CHECKSUM]) == text[-_CHECKSUM:]


def _checksum(text: str) -> str:
    rest = zlib.crc32(text.encode())
    digits: list[str] = []
    for _ in range(_CHECKSUM):
        digits.append(_DIGITS[rest % _BASE])
        rest //= _BASE
    digits.reverse()
    return "".join(digits)
