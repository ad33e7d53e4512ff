"""Whether the key of a seal answers: found out now and then, and not when somebody asks.

A try wraps and unwraps a key that opens nothing and is kept nowhere, so who asks anybody's status
sends no request to a KMS, and a key that is lost shows before the node has to be opened by it.
"""

import asyncio
import hmac
import logging
from typing import Final

from custody.base.clock import Clock
from custody.base.errors import Unavailable
from custody.base.ids import Source
from custody.crypto import aead
from custody.seals.seal import CannotUnseal, Seal
from custody.seals.wrapping import Purpose

SELDOM: Final = 600.0  # seconds between two tries of a seal that answers
OFTEN: Final = 60.0  # and of one that does not
PATIENCE: Final = 45.0  # seconds that a try may take
_log = logging.getLogger(__name__)


class SealHealth:
    """What is known of one seal; None: there is none that could be asked, and nothing to fear."""

    def __init__(
        self, seal: Seal | None, clock: Clock, source: Source, patience: float = PATIENCE
    ) -> None:
        self._seal = seal
        self._clock = clock
        self._source = source
        self._patience = patience
        self.unhealthy_ns = 0  # since when it does not answer; 0: it does, as far as is known

    async def look(self) -> float:
        """Try it; how many seconds to come back after."""
        if self._seal is None:
            return SELDOM
        try:
            async with asyncio.timeout(self._patience):
                await self._try(self._seal)
        except TimeoutError:
            return self._failed("it is silent")
        except Unavailable as error:
            return self._failed("; ".join(error.messages))
        if self.unhealthy_ns:
            _log.info("the key of the seal answers again")
            self.unhealthy_ns = 0
        return SELDOM

    def _failed(self, reason: str) -> float:
        if not self.unhealthy_ns:
            _log.warning("the key of the seal does not answer: %s", reason)
            self.unhealthy_ns = self._clock.now_ns()
        return OFTEN

    async def _try(self, seal: Seal) -> None:
        key = self._source.random(aead.KEY_SIZE)
        blob = await seal.wrap(key, Purpose.TRIAL)
        if not hmac.compare_digest(await seal.unwrap(blob, Purpose.TRIAL), key):
            raise CannotUnseal("it unwraps something else than what it wrapped")
