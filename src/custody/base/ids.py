"""Randomness and identifiers as an argument."""

import os
from typing import Protocol

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_POOL = 4096  # bytes
_UNBIASED = 248  # the largest multiple of 62 that a byte can hold
_CHARACTERS = bytes(ord(BASE62[byte % len(BASE62)]) for byte in range(256))
_BIASED = bytes(range(_UNBIASED, 256))


class Source(Protocol):
    """Where random bytes come from."""

    def random(self, size: int) -> bytes:
        """`size` unpredictable bytes."""
        ...


class SystemSource:
    """The kernel's generator."""

    def random(self, size: int) -> bytes:
        """`size` bytes of os.urandom."""
        return os.urandom(size)


class PooledSource:
    """The kernel's generator, asked for 4 KiB at a time: for request ids and nonces.

    One system call, and one surrender of the GIL, in place of 256. Bytes wait in memory until
    they are used, so nothing that must stay secret comes from here. Belongs to one thread and
    must never see a fork, or bytes would be handed out twice.
    """

    __slots__ = ("_at", "_pool")

    def __init__(self) -> None:
        self._pool = b""
        self._at = 0

    def random(self, size: int) -> bytes:
        """`size` bytes that were handed out to nobody else."""
        at, end = self._at, self._at + size
        if end > len(self._pool):
            self._pool = os.urandom(max(_POOL, size))
            at, end = 0, size
        self._at = end
        return self._pool[at:end]


def base62(source: Source, length: int) -> str:
    """`length` characters drawn uniformly from 0-9A-Za-z (rejection sampling)."""
    text = b""
    while len(text) < length:
        text += source.random(length + length // 8 + 2).translate(_CHARACTERS, _BIASED)
    return text[:length].decode()


_VARIANT = "89ab"


def new_uuid(source: Source) -> str:
    """A random UUID (RFC 9562, version 4) in its usual spelling.

    Spelled by hand: every request has one, and `uuid.UUID` takes three times as long.
    """
    bits = source.random(16)
    text = bits.hex()
    variant = _VARIANT[bits[8] & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"
