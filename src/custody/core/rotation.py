"""Rotation of the keyring: by hand, by age and by the number of encryptions."""

from typing import Final

from custody.base.clock import NANOSECOND
from custody.base.codec import decode
from custody.base.record import Record
from custody.base.store import Rows, Table
from custody.core.ceremony import RotateKeyring
from custody.core.parts import Parts
from custody.core.sealing import Commit, change_seal

ROTATION: Final = b"rotation"
MIN_OPERATIONS: Final = 1_000_000
MAX_OPERATIONS: Final = 3_865_470_566  # 90 % of 2**32, where random 96-bit nonces get risky
MIN_INTERVAL: Final = 24 * 3600  # seconds


class RotationConfig(Record, frozen=True, kw_only=True):
    """When the keyring rotates by itself; an interval of 0 means: not by age."""

    enabled: bool = True
    interval: int = 0  # seconds
    max_operations: int = MAX_OPERATIONS


def _decode(data: bytes) -> RotationConfig:
    return decode(RotationConfig, data)


def read_config(rows: Rows) -> RotationConfig:
    """The stored configuration, or the defaults."""
    return rows.memo(Table.SETTING, ROTATION, _decode) or RotationConfig()


async def rotate_keyring(parts: Parts, commit: Commit) -> None:
    """Store a keyring with one more term, then put it to use in every process of the node.

    Safe to repeat and to be interrupted: what is stored is what counts, and a stored keyring is
    handed out at the latest with the next unseal. Raises SealChanged when another was faster.
    """
    await change_seal(parts, RotateKeyring(), commit)
    parts.metrics.add("keyring_rotations")


def rotation_due(parts: Parts) -> bool:
    """Whether age or count ask for a new term."""
    barrier = parts.barrier
    keyring = barrier.keyring
    with barrier.snapshot() as view:
        config = read_config(view)
        encryptions = barrier.encryptions(view, keyring.term)
    if not config.enabled:
        return False
    age = (parts.clock.now_ns() - keyring.terms[-1].created_ns) // NANOSECOND
    return encryptions >= config.max_operations or 0 < config.interval <= age
