"""A node that was sealed stays sealed: nothing that was under way opens it, and nothing later."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from custody.barrier.barrier import Barrier
from custody.barrier.keyring import Keyring
from custody.base.clock import SystemClock
from custody.base.errors import Sealed, Unavailable
from custody.base.ids import SystemSource
from custody.base.secret import Secret
from custody.seals.plan import Named, Plan
from custody.serve import page
from custody.serve.channel import open_channel
from custody.serve.control import Opened, Restart, SealAll, SetLevel, Shut
from custody.serve.custodian import STEWARD, Custodian
from custody.serve.keeper import Keeper
from custody.serve.link import CustodianLink
from custody.testing.seal import MemoryKMS


@dataclass
class Scene:
    """A custodian whose seal is a KMS, its steward, and what it has told the supervisor."""

    kms: MemoryKMS
    link: CustodianLink
    meta: Mapping[bytes, bytes]
    share: Secret[bytes]
    told: list[Shut | SealAll | Opened | Restart | SetLevel]
    custodian: Custodian
    held: list[Keyring] = field(default_factory=list)  # what the steward holds

    async def asking(self) -> "asyncio.Task[bool]":
        """The node being opened by the KMS, which is silent."""
        self.kms.fall_silent()
        task = asyncio.create_task(self.link.unseal_automatically(self.meta))
        await self.kms.asked.wait()
        return task

    async def sealed(self) -> bool:
        """Whether the custodian and the steward hold no key."""
        return (await self.link.status()).sealed and not self.held


async def _no_rows(_barrier: Barrier) -> Secret[str]:
    return Secret("the-root-token")


async def _ready() -> None:
    """The steward finds nothing to do."""


@asynccontextmanager
async def scene(
    *,
    shut: bool = False,
    moving: bool = False,
    prepare: Callable[[], Awaitable[None]] = _ready,
    dropped: Callable[[], Awaitable[None]] = _ready,
) -> AsyncIterator[Scene]:
    """`moving`: the store is still sealed by share holders alone."""
    clock, source, kms = SystemClock(), SystemSource(), MemoryKMS()
    keeper = Keeper(_no_rows, clock, source, kms, Plan(Named(kms.kind)))
    made = await (Keeper(_no_rows, clock, source) if moving else keeper).initialise(1, 1)
    told: list[Shut | SealAll | Opened | Restart | SetLevel] = []
    custodian = Custodian(keeper, page.Page(page.create()).slot(0), told.append, shut=shut)
    held: list[Keyring] = []

    async def take(keyring: Keyring) -> None:
        held.append(keyring)
        await prepare()

    async def drop() -> None:
        held.clear()
        await dropped()

    async with _member(custodian, CustodianLink(take, drop)) as link:
        yield Scene(kms, link, dict(made.rows), made.shares[0], told, custodian, held)


@asynccontextmanager
async def _member(custodian: Custodian, link: CustodianLink) -> AsyncIterator[CustodianLink]:
    """A steward that joins."""
    ours, theirs = socket.socketpair()
    serving = asyncio.create_task(custodian.serve(theirs))
    channel = await open_channel(ours, link.handle)
    link.connect(channel)
    reading = asyncio.create_task(channel.run())
    await link.hello(STEWARD, 1)
    try:
        yield link
    finally:
        channel.close()
        await asyncio.gather(serving, reading)


async def test_an_answer_of_the_seal_that_comes_after_sealing_opens_nothing() -> None:
    async with scene() as one:
        asking = await one.asking()
        await one.link.unseal(one.share, one.meta)
        await one.link.seal()
        one.kms.speak()
        await asking
        assert one.told == [Opened(), Shut(), SealAll()]
        assert await one.sealed()


async def test_that_somebody_seals_is_told_before_any_member_is_waited_for() -> None:
    told_by_then = []

    async def look() -> None:
        told_by_then.append(list(one.told))

    async with scene(dropped=look) as one:
        await one.link.unseal(one.share, one.meta)
        await one.link.seal()
        assert told_by_then == [[Opened(), Shut()]]
        assert one.told == [Opened(), Shut(), SealAll()]


async def test_who_joins_while_the_others_drop_the_keys_gets_none() -> None:
    given: list[Keyring] = []
    joined: list[bool] = []

    async def take(keyring: Keyring) -> None:
        given.append(keyring)

    async def join() -> None:
        async with _member(one.custodian, CustodianLink(take, _ready)) as late:
            joined.append((await late.status()).sealed)

    async with scene(dropped=join) as one:
        await one.link.unseal(one.share, one.meta)
        await one.link.seal()
        assert joined == [True]
        assert given == []


async def test_after_sealing_the_seal_is_not_asked_again() -> None:
    async with scene() as one:
        await one.link.unseal_automatically(one.meta)
        await one.link.seal()
        asked = one.kms.calls
        await one.link.unseal_automatically(one.meta)
        assert one.kms.calls == asked
        assert one.told == [Opened(), Shut(), SealAll()]
        assert await one.sealed()


async def test_after_sealing_nothing_opens_before_the_custodian_is_started_anew() -> None:
    async with scene() as one:
        await one.link.unseal(one.share, one.meta)
        await one.link.seal()
        for refused in (
            one.link.unseal(one.share, one.meta),
            one.link.open_migrated(one.meta),
            one.link.initialise(1, 1),
        ):
            with pytest.raises(Sealed):
                await refused
        assert one.told == [Opened(), Shut(), SealAll()]
        assert await one.sealed()


async def test_a_migration_that_waits_for_the_seal_while_somebody_seals_is_given_up() -> None:
    async with scene(moving=True) as one:
        one.kms.fall_silent()
        moving = asyncio.create_task(one.link.unseal(one.share, one.meta, migrate=True))
        await one.kms.asked.wait()
        await one.link.seal()
        one.kms.speak()
        with pytest.raises(Sealed):
            await moving
        assert one.told == [Shut(), SealAll()]


async def test_a_node_that_is_sealed_while_its_store_is_prepared_does_not_open() -> None:
    preparing, prepared = asyncio.Event(), asyncio.Event()

    async def prepare() -> None:
        preparing.set()
        await prepared.wait()

    async with scene(prepare=prepare) as one:
        opening = asyncio.create_task(one.link.unseal(one.share, one.meta))
        await preparing.wait()
        sealing = asyncio.create_task(one.link.seal())
        await asyncio.sleep(0.1)
        prepared.set()
        with pytest.raises(Unavailable):
            await opening
        await sealing
        assert one.told == [Shut(), SealAll()]
        assert await one.sealed()


@pytest.mark.parametrize("shut", [True, False])
async def test_a_store_that_cannot_be_prepared_leaves_the_node_as_shut_as_it_was(
    shut: bool,  # noqa: FBT001 a case of the table
) -> None:
    async def fail() -> None:
        raise Unavailable("the store cannot be prepared")

    async with scene(shut=shut, prepare=fail) as one:
        with pytest.raises(Unavailable, match="cannot be prepared"):
            await one.link.unseal(one.share, one.meta)
        assert one.told == [SealAll()]
        assert await one.sealed()
        with pytest.raises(Sealed):
            await one.link.unseal(one.share, one.meta)
