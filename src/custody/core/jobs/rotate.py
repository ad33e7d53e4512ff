"""Rotates the keyring when its age or the number of its encryptions asks for it."""

import logging
from typing import Final

from custody.core.parts import Parts
from custody.core.rotation import rotate_keyring, rotation_due
from custody.core.sealing import by_itself

INTERVAL: Final = 60.0  # seconds
_log = logging.getLogger(__name__)


class Rotate:
    """The job."""

    name: Final = "rotate"

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def run(self) -> float:
        """Rotate if it is due; answers after how many seconds to come back."""
        if rotation_due(self._parts):
            await rotate_keyring(self._parts, by_itself(self._parts))
            _log.info("the keyring was rotated to term %d", self._parts.barrier.keyring.term)
        return INTERVAL
