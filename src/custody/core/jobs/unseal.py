"""Opens the node by its automatic seal: after a start, after its custodian died, once initialised.

A seal that does not answer is asked again, ever more slowly, and `sys/seal-status` says why. So it
is where the store has a seal that the configuration does not name. What is wrapped by a former key
of the seal is wrapped anew.
"""

import logging
from typing import Final

from custody.core.ceremony import RotateRootKey
from custody.core.front import Front
from custody.core.jobs.job import LONGEST, POLL
from custody.core.parts import Parts
from custody.core.sealing import by_itself, change_seal

_log = logging.getLogger(__name__)


class Unseal:
    """The job. It also runs while the node is sealed, and alone of all jobs then."""

    name: Final = "unseal"

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._front = Front(parts)

    async def run(self) -> float:
        """Open the node if that is for the seal to do; how many seconds to come back after.

        Raises BadRequest where nothing opens it as it is configured, what asking the seal raises.
        """
        parts = self._parts
        if not parts.barrier.sealed:
            return LONGEST
        if not parts.settings.seals.automatic:
            config = self._front.seal_config()
            if config is not None:
                parts.settings.seals.check(config)
            return LONGEST
        meta = self._front.meta()
        if not meta:
            return POLL
        outdated = await parts.custodian.unseal_automatically(meta)
        if outdated and not self._front.sealed:
            await change_seal(parts, RotateRootKey(), by_itself(parts))
            _log.info("the root key is now wrapped by the present key of the seal")
        return POLL
