"""What is known of a seal's key, without asking it each time that somebody wants to know."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from custody.base.ids import SystemSource
from custody.seals.health import OFTEN, PATIENCE, SELDOM, SealHealth
from custody.testing.seal import MemoryKMS
from custody.testing.server import HandClock


def make(kms: MemoryKMS | None, patience: float = PATIENCE) -> tuple[SealHealth, HandClock]:
    clock = HandClock()
    return SealHealth(kms, clock, SystemSource(), patience), clock


def out_of_reach(kms: MemoryKMS) -> None:
    kms.reachable = False


async def test_without_an_automatic_seal_there_is_nothing_to_try() -> None:
    known, _ = make(None)
    assert (await known.look(), known.unhealthy_ns) == (SELDOM, 0)


async def test_a_seal_that_answers_is_seldom_tried() -> None:
    kms = MemoryKMS()
    known, _ = make(kms)
    assert (await known.look(), known.unhealthy_ns) == (SELDOM, 0)
    assert kms.calls == 2


@pytest.mark.parametrize("fail", [out_of_reach, MemoryKMS.destroy])
async def test_a_seal_that_fails_is_unhealthy_since_the_first_time_it_was_seen(
    fail: Callable[[MemoryKMS], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    kms = MemoryKMS()
    known, clock = make(kms)
    fail(kms)
    since_ns = clock.now_ns()
    for _ in range(3):
        assert await known.look() == OFTEN
        assert known.unhealthy_ns == since_ns
        clock.advance(OFTEN)
    told = [line for line in caplog.messages if "does not answer" in line]  # not the loop's own
    assert len(told) == 1


async def test_a_seal_that_answers_again_is_healthy() -> None:
    kms = MemoryKMS()
    known, _ = make(kms)
    kms.reachable = False
    await known.look()
    kms.reachable = True
    assert (await known.look(), known.unhealthy_ns) == (SELDOM, 0)


async def test_a_seal_that_is_silent_is_not_waited_for_without_end() -> None:
    kms = MemoryKMS()
    known, _ = make(kms, patience=0.05)
    kms.fall_silent()
    async with asyncio.timeout(5):
        assert await known.look() == OFTEN
    assert known.unhealthy_ns
