import asyncio

import pytest

from custody.core.jobs.job import Alarm, keep_running


class Steps:
    """A job that answers or raises what it is told, and says when it is out of steps."""

    name = "steps"

    def __init__(self, *outcomes: float | Exception) -> None:
        self.outcomes = list(outcomes)
        self.done = asyncio.Event()

    async def run(self) -> float:
        if not self.outcomes:
            self.done.set()
            return 60.0
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class Recorder(Alarm):
    """An alarm that does not wait, and remembers how long it was asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


async def drive(job: Steps, alarm: Alarm) -> list[tuple[str, str]]:
    failures: list[tuple[str, str]] = []
    task = asyncio.create_task(
        keep_running(job, alarm, lambda name, error: failures.append((name, str(error))))
    )
    async with asyncio.timeout(10):
        await job.done.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return failures


def test_a_failing_job_is_reported_and_tried_again_ever_more_slowly() -> None:
    async def scenario() -> None:
        alarm = Recorder()
        errors = [RuntimeError(str(number)) for number in range(8)]
        failures = await drive(Steps(*errors, 0.5, RuntimeError("late")), alarm)
        assert failures == [("steps", str(number)) for number in range(8)] + [("steps", "late")]
        assert alarm.slept[:10] == [1, 2, 4, 8, 16, 32, 60, 60, 0.5, 1]

    asyncio.run(scenario())


def test_a_nudge_ends_the_sleep() -> None:
    async def scenario() -> None:
        alarm = Alarm()
        sleeper = asyncio.create_task(alarm.sleep(60))
        await asyncio.sleep(0)
        alarm.nudge()
        async with asyncio.timeout(10):
            await sleeper

    asyncio.run(scenario())


def test_a_nudge_before_the_sleep_is_not_lost_and_counts_once() -> None:
    async def scenario() -> None:
        alarm = Alarm()
        alarm.nudge()
        async with asyncio.timeout(10):
            await alarm.sleep(60)
        sleeper = asyncio.create_task(alarm.sleep(60))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not sleeper.done()
        sleeper.cancel()

    asyncio.run(scenario())
