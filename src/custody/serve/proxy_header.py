"""The header of the PROXY protocol, versions 1 and 2: who a proxy says that its client is.

Source: "The PROXY protocol, versions 1 & 2", W. Tarreau, HAProxy, sections 2.1 and 2.2.
"""

import ipaddress
import re
import struct
from typing import Final, NamedTuple

V1: Final = b"PROXY"
V2: Final = b"\r\n\r\n\0\r\nQUIT\n"
V1_BYTES: Final = 107  # of the longest line of version 1, its end counted
_V2_FIXED: Final = struct.Struct(">12sBBH")  # signature, version and command, family, length
_VERSION_2, _LOCAL, _PROXY = 0x20, 0x0, 0x1
_UNSPEC, _INET, _INET6, _UNIX = range(4)
_LAST_TRANSPORT: Final = 2  # unspecified, stream, datagram
_PORT: Final = re.compile(r"0|[1-9][0-9]{0,4}")
_MAX_PORT: Final = 0xFFFF
# Bytes of both addresses and ports; those of UNIX sockets are paths, which name no client.
_ADDRESSES: Final = {_UNSPEC: 0, _INET: 12, _INET6: 36, _UNIX: 216}

Address = tuple[str, int]


class BadHeader(Exception):
    """What was sent began as a header and is none."""


class Header(NamedTuple):
    """A header that was read. `length` bytes of the stream are its own, 0 where there is none.

    `source` None means that the connection speaks for itself: whoever opened it is the client.
    """

    source: Address | None
    length: int


_ABSENT: Final = Header(None, 0)


def parse(data: bytes) -> Header | None:
    """The header at the beginning of a stream, None while more bytes must tell. Raises BadHeader.

    What follows the addresses of a version 2 need not be there yet: it is skipped and not read.
    """
    for signature, read in ((V1, _version_1), (V2, _version_2)):
        if data.startswith(signature):
            return read(data)
        if signature.startswith(data):
            return None
    return _ABSENT


def plain(text: str) -> str:
    """An address as records show it: IPv4 written in IPv6 is IPv4. Raises ValueError."""
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _version_1(data: bytes) -> Header | None:
    line, end, _ = data[:V1_BYTES].partition(b"\r\n")
    if not end:
        if len(data) >= V1_BYTES or b"\n" in line:
            raise BadHeader("a line that does not end")
        return None
    length = len(line) + len(end)
    words = line.decode("latin-1").split(" ")
    match words:
        case ["PROXY", "UNKNOWN", *_]:
            return Header(None, length)
        case ["PROXY", "TCP4" | "TCP6" as family, source, destination, port, to_port]:
            _address(family, destination), _port(to_port)
            return Header((_address(family, source), _port(port)), length)
        case _:
            raise BadHeader("a line of another form")


def _address(family: str, text: str) -> str:
    kind = ipaddress.IPv4Address if family == "TCP4" else ipaddress.IPv6Address
    if "%" in text:  # a zone means something on the proxy's machine alone
        raise BadHeader("an address with a zone")
    try:
        return plain(str(kind(text)))
    except ValueError:
        raise BadHeader("no address") from None


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > _MAX_PORT:
        raise BadHeader("no port")
    return int(text)


def _version_2(data: bytes) -> Header | None:
    if len(data) < _V2_FIXED.size:
        return None
    _, command, kind, rest = _V2_FIXED.unpack_from(data)
    length = _V2_FIXED.size + rest
    if command == _VERSION_2 | _LOCAL:  # the proxy's own; whatever follows means nothing
        return Header(None, length)
    if command != _VERSION_2 | _PROXY:
        raise BadHeader("another version or command")
    family, transport = divmod(kind, 16)
    if family not in _ADDRESSES or transport > _LAST_TRANSPORT:
        raise BadHeader("another family")
    if rest < _ADDRESSES[family]:
        raise BadHeader("shorter than its addresses")
    if family not in {_INET, _INET6}:
        return Header(None, length)
    if len(data) < _V2_FIXED.size + _ADDRESSES[family]:
        return None
    return Header(_source(data, 4 if family == _INET else 16), length)


def _source(data: bytes, size: int) -> Address:
    """Two addresses of `size` bytes stand there, then two ports, the source's first each time."""
    start = _V2_FIXED.size
    (port,) = struct.unpack_from(">H", data, start + 2 * size)
    address = ipaddress.ip_address(data[start : start + size])
    return plain(str(address)), port
