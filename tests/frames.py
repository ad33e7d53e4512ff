"""Frames of HTTP/2 by hand: for requests that no client would send, or connections of our own."""

import struct
from collections.abc import Mapping

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
_DATA, _HEADERS, _CONTINUATION = 0, 1, 9  # kinds of frames
_END_STREAM, _END_HEADERS = 1, 4  # flags
_PART = 16_000  # bytes of a header block in one frame


def request_frames(fields: Mapping[str, str], *, ends: bool) -> bytes:
    """The header of a request on the first stream; `ends`: nothing follows it."""
    block = b"".join(_field(name.encode(), value.encode()) for name, value in fields.items())
    parts = [block[at : at + _PART] for at in range(0, len(block), _PART)]
    last = len(parts) - 1
    return b"".join(
        _frame(
            _CONTINUATION if at else _HEADERS,
            (_END_HEADERS if at == last else 0) | (_END_STREAM if ends and not at else 0),
            part,
        )
        for at, part in enumerate(parts)
    )


def data_frame(body: bytes) -> bytes:
    """The last of a request's body."""
    return _frame(_DATA, _END_STREAM, body)


def _field(name: bytes, value: bytes) -> bytes:
    """A literal field without indexing, new name (RFC 7541, section 6.2.2)."""
    return b"\0" + _text(name) + _text(value)


def _text(text: bytes) -> bytes:
    size = len(text)
    if size < 127:
        return bytes([size]) + text
    rest, coded = size - 127, bytearray([127])
    while rest >= 128:
        coded.append(rest % 128 + 128)
        rest //= 128
    return bytes(coded) + bytes([rest]) + text


def _frame(kind: int, flags: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, 1) + payload
