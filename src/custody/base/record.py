"""The base of everything that is stored."""

from typing import ClassVar

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of everything that is stored. `schema` 0 means: made by this program."""

    SCHEMA: ClassVar[int] = 1
    schema: int = 0
