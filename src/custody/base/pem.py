"""What a PEM file holds, told by its labels (RFC 7468): for messages, never for a decision."""

from pathlib import Path
from typing import Final

_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_KEY: Final = b"PRIVATE KEY-----"


def swapped(certificate: str, key: str) -> bool:
    """Whether the file for the certificate holds a key, and the one for the key a certificate."""
    try:
        first, second = Path(certificate).read_bytes(), Path(key).read_bytes()
    except OSError:
        return False
    return _KEY in first and _CERTIFICATE not in first and _CERTIFICATE in second
