"""The custodian's process: holds the keys and hands them to the members of the node.

It has no listener, and opens no file but those that keys of its seal are in. Members come as
descriptors from the supervisor over the control socket. A member that does not take or drop the
keyring in time is hung up on, and ends.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec

from custody.barrier.keyring import Keyring, encode_keyring
from custody.base import log
from custody.base.clock import SystemClock
from custody.base.errors import BadRequest, CustodyError, Sealed, Unavailable
from custody.base.ids import SystemSource
from custody.base.log import describe
from custody.seals.seal import Seal
from custody.serve import handoff
from custody.serve import messages as m
from custody.serve.channel import Channel, open_channel
from custody.serve.control import Attach, Opened, Restart, SealAll, SetLevel, Shut, receive, send
from custody.serve.handoff import Handoff
from custody.serve.keeper import Keeper
from custody.serve.page import Page, Slot
from custody.serve.reload import posted
from custody.serve.seal_config import ConfiguredSeal, open_active, plan_of
from custody.serve.watchdog import beat
from custody.serve.wire import first_rows

MEMBER_DEADLINE = 5.0  # seconds to take or drop a keyring
SEAL_PATIENCE = 1.0  # seconds that sealing waits for another change of the keys
KEEP_AGAIN, KEEP_LONGEST = 1.0, 60.0  # seconds between two tries to keep the seal's token alive
STEWARD = "steward"
Tell = Callable[[Shut | SealAll | Opened | Restart | SetLevel], None]
_log = logging.getLogger("custody.serve.custodian")  # this is also run as __main__


@dataclass(slots=True, eq=False)
class _Member:
    role: str = ""
    channel: Channel | None = None


class Custodian:
    """The keys and the members they are for."""

    def __init__(self, keeper: Keeper, slot: Slot, tell: Tell, *, shut: bool = False) -> None:
        self._keeper = keeper
        self._slot = slot
        self._tell = tell  # the supervisor: that the node is open, or that all must end
        self._shut = shut  # somebody sealed the node: only share holders open it
        self._ended = False  # the keys are dropped for good: nothing opens before the next start
        self._members: set[_Member] = set()
        self._steward = asyncio.Event()
        self._lock = asyncio.Lock()  # one change of the keys at a time

    async def serve(self, end: socket.socket) -> None:
        """Talk to one member until it hangs up."""
        member = _Member()

        async def handle(call: m.Call) -> m.Result:
            return await self._handle(member, call)

        member.channel = await open_channel(end, handle)
        try:
            await member.channel.run()
        finally:
            self._members.discard(member)
            if member.role == STEWARD and not any(one.role == STEWARD for one in self._members):
                self._steward.clear()

    async def watch_seal(self) -> None:
        """Find out now and then whether the seal answers; without an end."""
        while True:
            wait = await self._keeper.look_at_seal()
            await asyncio.sleep(wait)

    async def _handle(  # noqa: C901, PLR0911, PLR0912 - one line per call
        self, member: _Member, call: m.Call
    ) -> m.Result:
        match call:
            case m.Hello(role=role):
                return await self._welcome(member, role)
            case m.GetStatus():
                return self._status()
            case m.Initialise(shares=shares, threshold=threshold):
                return await self._initialise(shares, threshold)
            case m.Unseal():
                return await self._unseal(call)
            case m.OpenMigrated(meta=meta):
                return await self._open_migrated(meta)
            case m.UnsealAutomatically(meta=meta):
                return await self._unseal_automatically(meta)
            case m.Reset():
                return self._reset()
            case m.Seal():
                return await self._seal()
            case m.Take(step=step, meta=meta):
                async with self._lock:
                    return m.Taken(await self._keeper.take(step, meta))
            case m.SetLevel(logger=logger, level=level):
                self._tell(SetLevel(logger, level))
                return m.Done()
            case m.Restart():
                self._tell(Restart())
                return m.Done()
            case m.Install(meta=meta):
                return await self._install(meta)
            case _:
                raise BadRequest("a member does not call this")

    def _status(self) -> m.Status:
        status = self._keeper.status()
        return m.Status(
            status.sealed, status.progress, status.nonce, status.error, status.unhealthy_ns
        )

    async def _welcome(self, member: _Member, role: str) -> m.Result:
        """Count the member in. While keys are being handed out, a worker waits for the end."""
        if role == STEWARD:
            return self._join(member, role)
        async with self._lock:
            return self._join(member, role)

    def _join(self, member: _Member, role: str) -> m.Result:
        member.role = role
        self._members.add(member)
        if role == STEWARD:
            self._steward.set()
        keyring = self._keeper.keyring
        return m.Welcome(None if keyring is None else encode_keyring(keyring))

    async def _initialise(self, shares: int, threshold: int) -> m.Result:
        self._may_open()
        made = await self._keeper.initialise(shares, threshold)
        return m.Made(
            rows=list(made.rows),
            shares=[share.reveal() for share in made.shares],
            root_token=made.root_token.reveal(),
        )

    async def _unseal(self, call: m.Unseal) -> m.Result:
        await self._wait_for_steward()
        async with self._lock:
            self._may_open()
            opening = await self._keeper.add_share(call.share, call.meta, migrate=call.migrate)
            self._may_open()  # a migration has asked a seal
            if opening.opened:
                await self._open()
            return msgspec.structs.replace(self._status(), change=opening.change)

    async def _open_migrated(self, meta: list[tuple[bytes, bytes]]) -> m.Result:
        await self._wait_for_steward()
        async with self._lock:
            self._may_open()
            self._keeper.open_migrated(meta)
            await self._open()
            return self._status()

    async def _unseal_automatically(self, meta: list[tuple[bytes, bytes]]) -> m.Result:
        """Ask the seal, which may take long, and others go on; then open.

        Somebody may seal the node while it is asked: what it answers then opens nothing.
        """
        held = None if self._stays_sealed else await self._keeper.ask_seal(meta)
        if held is None:
            return m.Opened(outdated=False)
        async with self._lock:
            if self._stays_sealed:
                return m.Opened(outdated=False)
            if self._keeper.adopt(held):
                await self._open()
        return m.Opened(self._keeper.outdated(meta))

    @property
    def _stays_sealed(self) -> bool:
        """Whether the node does not open by itself."""
        return self._shut or self._ended

    def _may_open(self) -> None:
        """Raises Sealed once the keys were dropped: what was made of shares since goes, too."""
        if self._ended:
            self._forget()
            raise Sealed

    def _forget(self) -> None:
        self._keeper.forget()
        self._keeper.reset()

    async def _wait_for_steward(self) -> None:
        try:
            await asyncio.wait_for(self._steward.wait(), MEMBER_DEADLINE)
        except TimeoutError as error:
            raise Unavailable("the steward is not there just now; try again") from error

    async def _open(self) -> None:
        await self._hand_out()
        self._still_open()
        self._slot.add("unseals")
        self._shut = False
        self._tell(Opened())
        _log.info("unsealed")

    def _reset(self) -> m.Result:
        if self._keeper.keyring is not None:
            raise BadRequest("vault is unsealed")
        self._keeper.reset()
        return self._status()

    async def _seal(self) -> m.Result:
        """Forget the keys, and open by nothing that is under way or asked for from now on."""
        self._shut = self._ended = True
        self._tell(Shut())
        self._forget()
        async with self._lock_or_not():
            await self._all(lambda channel: channel.call(m.DropKeyring()))
        self._slot.add("seals")
        _log.info("sealed")
        self._tell(SealAll())
        return m.Done()

    @asynccontextmanager
    async def _lock_or_not(self) -> AsyncIterator[None]:
        """The lock, unless it is not to be had soon: a step of a ceremony may wait for a seal that
        is silent, and sealing waits for none. Whoever has it meanwhile asks after each wait whether
        the node was sealed, and opens nothing then.
        """
        try:
            await asyncio.wait_for(self._lock.acquire(), SEAL_PATIENCE)
        except TimeoutError:
            yield
            return
        try:
            yield
        finally:
            self._lock.release()

    async def _install(self, meta: list[tuple[bytes, bytes]]) -> m.Result:
        async with self._lock:
            keyring = self._keeper.install(meta)
            call = _take(keyring)
            await self._all(lambda channel: channel.call(call))
        return m.Done()

    async def _hand_out(self) -> None:
        """The keyring to the steward, which prepares the store, then to all workers.

        If the steward cannot, the node is sealed again and its error raised. Whom that leaves to
        open it is as before.
        """
        call = _take(self._still_open())
        try:
            await self._to_steward(call)
        except CustodyError:
            self._ended = True
            self._forget()
            await self._all(lambda channel: channel.call(m.DropKeyring()))
            self._tell(SealAll())
            raise
        self._still_open()
        await self._all(lambda channel: channel.call(call), but=STEWARD)

    def _still_open(self) -> Keyring:
        keyring = self._keeper.keyring
        if keyring is None or self._ended:
            raise Unavailable("sealed meanwhile")
        return keyring

    async def _to_steward(self, call: m.TakeKeyring) -> None:
        for member in [one for one in self._members if one.role == STEWARD]:
            if member.channel is not None:
                try:
                    await asyncio.wait_for(member.channel.call(call), MEMBER_DEADLINE)
                except TimeoutError as error:
                    member.channel.close()
                    raise Unavailable("the steward did not prepare the store in time") from error

    async def _all(
        self, call: Callable[[Channel], Awaitable[m.Result]], but: str | None = None
    ) -> None:
        """Make the call to every member at once; hang up on one that fails or is late."""

        async def one(member: _Member, channel: Channel) -> None:
            try:
                await asyncio.wait_for(call(channel), MEMBER_DEADLINE)
            except (CustodyError, TimeoutError) as error:
                _log.warning("hung up on a %s: %s", member.role, describe(error))
                channel.close()

        await asyncio.gather(
            *(
                one(member, member.channel)
                for member in self._members
                if member.role != but and member.channel is not None
            )
        )


async def run(given: Handoff) -> None:
    """Take members from the supervisor and serve them until it hangs up."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log.on_loop_error)
    control = socket.socket(fileno=given.custodian)
    control.settimeout(0)
    seal = open_active(given.settings.seals, SystemSource())
    slot = Page(given.page).slot(given.slot)
    slot.claim(os.getpid())
    custodian = _custodian(given, control, seal, slot)
    ended = loop.create_future()
    tasks: set[asyncio.Task[None]] = {loop.create_task(beat(slot))}
    if seal is not None:
        tasks.add(loop.create_task(_keep(seal)))
        tasks.add(loop.create_task(custodian.watch_seal()))

    def on_control() -> None:
        message, ends = receive(control)
        if message is None:
            loop.remove_reader(control)
            ended.set_result(None)
        elif isinstance(message, Attach):
            task = loop.create_task(custodian.serve(ends[0]))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    def on_reload() -> None:
        settings = posted(given.board) or given.settings
        log.configure(given.role, settings.log_level, settings.log_format, settings.loggers)

    loop.add_reader(control, on_control)
    loop.add_signal_handler(signal.SIGHUP, on_reload)
    os.write(given.life, handoff.READY)
    await ended


def _custodian(given: Handoff, control: socket.socket, seal: Seal | None, slot: Slot) -> Custodian:
    clock, source = SystemClock(), SystemSource()
    rows = first_rows(given.settings, clock, source)
    keeper = Keeper(rows, clock, source, seal, plan_of(given.settings.seals))
    return Custodian(keeper, slot, lambda told: send(control, told), shut=given.shut)


async def _keep(seal: ConfiguredSeal) -> None:
    """Keep alive what the seal needs; a failure is told, and tried again ever more slowly."""
    pause = KEEP_AGAIN
    while True:
        try:
            wait = await seal.keep()
            pause = KEEP_AGAIN
        except Unavailable as error:
            _log.warning("seal: %s", "; ".join(error.messages))
            wait, pause = pause, min(2 * pause, KEEP_LONGEST)
        await asyncio.sleep(wait)


def _take(keyring: Keyring) -> m.TakeKeyring:
    return m.TakeKeyring(encode_keyring(keyring))


def main() -> None:
    """The process: argv[1] is the handoff's descriptor."""
    given = handoff.enter(sys.argv[1])
    asyncio.run(run(given))
    os._exit(0)


if __name__ == "__main__":
    main()
