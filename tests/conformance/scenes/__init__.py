"""Scenes: what servers must be asked for each route to answer with all that it may."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from tests.conformance.recorder import Record
from tests.conformance.scenes import (
    ceremonies,
    kv,
    mounts,
    operation,
    policies,
    seals,
    settings,
    tokens,
    wrapping,
)

SCENES: Final[Sequence[Callable[[Record], Awaitable[None]]]] = (
    *kv.SCENES,
    *tokens.SCENES,
    *wrapping.SCENES,
    *policies.SCENES,
    *mounts.SCENES,
    *settings.SCENES,
    *operation.SCENES,
    *ceremonies.SCENES,
    *seals.SCENES,
)
