"""A share as it is sent: hex or base64."""

import base64
import binascii

from custody.base.errors import BadRequest


def decode_share(text: str) -> bytes:
    """The share's bytes. Raises BadRequest."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        pass
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest("'key' must be a valid hex or base64 string") from None
