import asyncio
import time

import pytest

from custody.http.deadlines import Deadlines


async def wait(deadlines: Deadlines, seconds: float) -> str:
    task = deadlines.begin()
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        if not deadlines.missed(task):
            raise
        return "missed"
    finally:
        deadlines.end(task)
    return "done"


async def test_each_wait_has_its_own_end_though_there_is_one_timer() -> None:
    deadlines = Deadlines(0.1)
    first = asyncio.create_task(wait(deadlines, 60))
    await asyncio.sleep(0.05)
    began = asyncio.get_running_loop().time()
    second = asyncio.create_task(wait(deadlines, 60))
    assert await first == "missed"
    assert not second.done()
    assert await second == "missed"
    assert asyncio.get_running_loop().time() - began >= 0.1


async def test_who_is_done_in_time_is_left_alone() -> None:
    deadlines = Deadlines(0.05)
    assert await wait(deadlines, 0) == "done"
    await asyncio.sleep(0.1)  # the timer finds nobody
    done, missed = await asyncio.gather(wait(deadlines, 0), wait(deadlines, 60))
    assert (done, missed) == ("done", "missed")


async def test_who_is_cancelled_by_another_has_not_missed_it() -> None:
    deadlines = Deadlines(60)
    task = asyncio.create_task(wait(deadlines, 60))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_is_cancelled_by_another_too_is_cancelled() -> None:
    deadlines = Deadlines(0.01)
    task = asyncio.create_task(wait(deadlines, 60))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.01, task.cancel)  # in the same round as the deadline
    time.sleep(0.05)  # noqa: ASYNC251 both shall be due at once
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_that_missed_it_can_wait_again() -> None:
    deadlines = Deadlines(0.01)

    async def twice() -> list[str]:
        return [await wait(deadlines, 60), await wait(deadlines, 0)]

    task = asyncio.create_task(twice())
    assert await task == ["missed", "done"]
    assert task.cancelling() == 0
