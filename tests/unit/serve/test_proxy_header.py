"""The header of the PROXY protocol: the specification's examples, and whatever else may come."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.serve.proxy_header import V1_BYTES, V2, BadHeader, Header, parse

_FULL = ":".join(["ffff"] * 8)
_LONGEST = f"PROXY UNKNOWN {_FULL} {_FULL} 65535 65535\r\n".encode()
_FOUR = bytes([203, 0, 113, 7, 10, 0, 0, 1]) + struct.pack(">HH", 4711, 8200)
_SIX = ipaddress.ip_address("2001:db8::1").packed * 2 + struct.pack(">HH", 4711, 8200)
_UNIX = b"/run/app.sock".ljust(216, b"\0")


def version_2(command: int, family: int, body: bytes) -> bytes:
    return V2 + struct.pack(">BBH", command, family, len(body)) + body


@pytest.mark.parametrize(
    ("line", "source"),
    [
        # Section 2.1: an example of a header, and the longest line of each kind.
        (b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", ("192.168.0.1", 56324)),
        (
            b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            ("255.255.255.255", 65535),
        ),
        (f"PROXY TCP6 {_FULL} {_FULL} 65535 65535\r\n".encode(), (_FULL, 65535)),
        (b"PROXY UNKNOWN\r\n", None),
        (_LONGEST, None),
        (b"PROXY TCP6 2001:db8::1 ::1 0 8200\r\n", ("2001:db8::1", 0)),
        (b"PROXY TCP6 ::ffff:203.0.113.7 ::1 1 2\r\n", ("203.0.113.7", 1)),
    ],
)
def test_a_line_of_version_1_names_the_client(line: bytes, source: tuple[str, int] | None) -> None:
    assert parse(line + b"GET / HTTP/1.1\r\n") == Header(source, len(line))


def test_the_longest_line_is_as_long_as_is_read() -> None:
    assert len(_LONGEST) == V1_BYTES


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY TCP4 203.0.113.999 10.0.0.1 1 2\r\n",
        b"PROXY TCP4 203.0.113.7 nowhere 1 2\r\n",
        b"PROXY TCP4 ::1 10.0.0.1 1 2\r\n",
        b"PROXY TCP6 203.0.113.7 ::1 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        b"PROXY TCP4 203.0.113.7 10.0.0.1 65536 2\r\n",
        b"PROXY TCP4 203.0.113.7 10.0.0.1 -1 2\r\n",
        b"PROXY TCP4 203.0.113.7 10.0.0.1 01 2\r\n",
        "PROXY TCP4 203.0.113.7 10.0.0.1 \u0661 2\r\n".encode(),
        b"PROXY TCP4 203.0.113.7 10.0.0.1 1 x\r\n",
        b"PROXY TCP4 203.0.113.7 10.0.0.1 1\r\n",
        b"PROXY TCP4 203.0.113.7 10.0.0.1 1 2 3\r\n",
        b"PROXY TCP4  203.0.113.7 10.0.0.1 1 2\r\n",
        b"PROXY UDP4 203.0.113.7 10.0.0.1 1 2\r\n",
        b"PROXY TCP4 203.0.113.7 10.0.0.1 1 2\nGET",
        b"PROXY\r\n",
        b"PROXYX UNKNOWN\r\n",
        b"PROXY UNKNOWN " + b"a" * 100 + b"\r\n",
    ],
)
def test_a_line_of_another_form_is_no_header(line: bytes) -> None:
    with pytest.raises(BadHeader):
        parse(line)


@pytest.mark.parametrize(
    ("header", "source"),
    [
        (version_2(0x21, 0x11, _FOUR), ("203.0.113.7", 4711)),
        (version_2(0x21, 0x12, _FOUR), ("203.0.113.7", 4711)),
        (version_2(0x21, 0x10, _FOUR), ("203.0.113.7", 4711)),
        (version_2(0x21, 0x21, _SIX), ("2001:db8::1", 4711)),
        (version_2(0x21, 0x11, _FOUR + b"\x04\x00\x03abc"), ("203.0.113.7", 4711)),
        (version_2(0x21, 0x31, _UNIX), None),
        (version_2(0x21, 0x00, b""), None),
        (version_2(0x21, 0x00, b"whatever"), None),
        (version_2(0x20, 0x00, b""), None),
        (version_2(0x20, 0x11, _FOUR), None),  # LOCAL: the proxy speaks for itself
        (version_2(0x20, 0xFF, b"x"), None),
    ],
)
def test_a_header_of_version_2_names_the_client(
    header: bytes, source: tuple[str, int] | None
) -> None:
    assert parse(header + b"GET / HTTP/1.1\r\n") == Header(source, len(header))


@pytest.mark.parametrize(
    "header",
    [
        version_2(0x11, 0x11, _FOUR),
        version_2(0x31, 0x11, _FOUR),
        version_2(0x22, 0x11, _FOUR),
        version_2(0x21, 0x41, _FOUR),
        version_2(0x21, 0x13, _FOUR),
        version_2(0x21, 0x11, _FOUR[:-1]),
        version_2(0x21, 0x21, _FOUR),
        version_2(0x21, 0x31, _FOUR),
    ],
)
def test_what_version_2_does_not_say_is_no_header(header: bytes) -> None:
    with pytest.raises(BadHeader):
        parse(header)


def test_what_follows_the_addresses_is_skipped_before_it_is_there() -> None:
    whole = version_2(0x21, 0x11, _FOUR + bytes(60_000))
    assert parse(whole[:28]) == Header(("203.0.113.7", 4711), 16 + 12 + 60_000)


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1", b"PUT /", b"PRI * HTTP/2.0\r\n", b"\x16\x03\x01"]
)
def test_a_stream_without_a_header_is_told_by_its_first_bytes(data: bytes) -> None:
    assert parse(data) == Header(None, 0)


_ADDRESSES = st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4)) | st.tuples(
    st.ip_addresses(v=6), st.ip_addresses(v=6)
)
_PORTS = st.integers(0, 0xFFFF)


@given(_ADDRESSES, _PORTS, _PORTS, st.binary(max_size=300), st.data())
def test_every_header_is_read_back_at_every_cut(
    ends: tuple[ipaddress.IPv4Address, ipaddress.IPv4Address],
    port: int,
    to_port: int,
    rest: bytes,
    data: st.DataObject,
) -> None:
    source, destination = ends
    mapped = getattr(source, "ipv4_mapped", None)
    line = f"PROXY TCP{source.version} {source} {destination} {port} {to_port}\r\n".encode()
    packed = source.packed + destination.packed + struct.pack(">HH", port, to_port)
    for header in (line, version_2(0x21, 0x11 if source.version == 4 else 0x21, packed)):
        assert parse(header + rest) == Header((str(mapped or source), port), len(header))
        assert parse(header[: data.draw(st.integers(0, len(header) - 1))]) is None


@given(st.binary(max_size=400) | st.binary(max_size=200).map(lambda tail: V2 + tail)
       | st.binary(max_size=200).map(lambda tail: b"PROXY " + tail))  # fmt: skip
def test_whatever_comes_is_a_header_or_none_or_bad_and_more_bytes_change_nothing(
    data: bytes,
) -> None:
    try:
        found = parse(data)
    except BadHeader:
        return
    if found is None:
        assert len(data) < 16 + 216
        return
    assert parse(data + b"\r\n") == found
