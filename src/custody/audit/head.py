"""Where a writer's chain of records ends."""

from typing import Final

import msgspec

ZERO: Final = "0" * 64


class Head(msgspec.Struct, frozen=True):
    """Where a writer's chain ends: the number and SHA-256 of its last line."""

    writer: str
    seq: int = 0
    digest: str = ZERO
