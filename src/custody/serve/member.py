"""What a worker and the steward have in common: the store, the keyring as it comes and goes.

A member lives as long as its line to the custodian. When that ends, so does the process, at once:
what it still held is the kernel's to wipe.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable

import uvloop

from custody.barrier.keyring import Keyring
from custody.base import log
from custody.core.node import Node
from custody.serve import handoff, placement, wire
from custody.serve.channel import Channel, open_channel
from custody.serve.handoff import BAD_CONFIGURATION, Handoff
from custody.serve.journal import Journal
from custody.serve.link import CustodianLink
from custody.serve.listeners import BadListener
from custody.serve.page import Page, Slot
from custody.serve.reload import posted
from custody.serve.watchdog import beat
from custody.serve.watching import Watchers
from custody.storage.layout import UnfitFileSystem, WrongFormat

_CUSTODIAN_GONE = 3  # exit status
_YOUNG = 20_000  # objects made and not gone that set off a collection
_log = logging.getLogger(__name__)
Unsealed = Callable[[], Awaitable[None]]
Reloaded = Callable[[], Awaitable[None]]


class Member:
    """One process's node, on the line to its custodian."""

    def __init__(self, given: Handoff) -> None:
        """Opens the store. Raises what LMDBStore.open raises."""
        self.given = given
        self.settings = given.settings  # as they are now; those of the start are in `given`
        self.slot: Slot = Page(given.page).slot(given.slot)
        self.slot.claim(os.getpid())
        self.link = CustodianLink(self._take, self._drop)
        self.store = wire.open_store(given.settings, self.slot)
        self.watchers = Watchers(Journal(given.page), given.slot)
        self.parts = wire.parts(given.settings, self.store, self.slot, self.link, self.watchers)
        self.node = Node(self.parts)
        self.on_unsealed: Unsealed | None = None
        self.on_sealed: Callable[[], None] | None = None  # before anybody is told
        self.on_reloaded: Reloaded | None = None
        self._reading: asyncio.Task[None] | None = None
        self._reloads: set[asyncio.Task[None]] = set()
        self.stopping = asyncio.Event()

    async def join(self) -> None:
        """Say hello to the custodian; unsealed when this returns, if the node is."""
        line = socket.socket(fileno=self.given.custodian)
        channel = await open_channel(line, self.link.handle)
        self.link.connect(channel)
        self._reading = asyncio.create_task(_until_gone(channel))
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(log.on_loop_error)
        loop.add_signal_handler(signal.SIGTERM, self.stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._on_reload)
        self._take_settings()  # what was posted before this process could hear the signal
        await self.link.hello(self.given.role, self.given.slot)

    def ready(self) -> None:
        """Tell the supervisor."""
        gc.freeze()  # what start-up made stays: no collection looks at it again
        # Requests leave few cycles behind, but many objects that are alive while they wait: at the
        # usual threshold collections that found nothing took 6 % of a read.
        gc.set_threshold(_YOUNG, 20, 20)
        self.slot.add("up")
        os.write(self.given.life, handoff.READY)

    async def close(self) -> None:
        """Finish what was accepted."""
        await self.parts.broker.close()
        await self.parts.store.close()

    def _on_reload(self) -> None:
        self._take_settings()
        if self.on_reloaded is not None:
            task = asyncio.ensure_future(self.on_reloaded())
            self._reloads.add(task)
            task.add_done_callback(self._reloads.discard)

    def _take_settings(self) -> None:
        self.settings = posted(self.given.board) or self.settings
        settings = self.settings
        log.configure(self.given.role, settings.log_level, settings.log_format, settings.loggers)

    async def _take(self, keyring: Keyring) -> None:
        self.parts.barrier.install(keyring)
        if self.on_unsealed is not None:
            await self.on_unsealed()

    async def _drop(self) -> None:
        self.parts.barrier.drop()
        if self.on_sealed is not None:
            self.on_sealed()


async def _until_gone(channel: Channel) -> None:
    await channel.run()
    os._exit(_CUSTODIAN_GONE)


def start(run: Callable[[Member], Awaitable[None]]) -> None:
    """The process of a member: argv[1] is the handoff's descriptor. Does not return."""
    given = handoff.enter(sys.argv[1])
    placement.keep_to(given.processor)

    async def main() -> None:
        try:
            member = Member(given)
            beating = asyncio.create_task(beat(member.slot))
            await run(member)
        except (WrongFormat, UnfitFileSystem, BadListener) as error:
            _log.critical("cannot start: %s", error)
            os._exit(BAD_CONFIGURATION)
        await member.close()
        beating.cancel()

    uvloop.run(main())
    os._exit(0)  # no thread of the HTTP server may hold the process
