"""Flipped bytes in what is stored: each is named, none serves wrong data, none lets anyone in.

Most flips are made through LMDB, in values and in keys; some in the pages of its file, which has
no checksums: there a flip may also end the process that meets it.
"""

import asyncio
import json
import random
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.crash import pages
from tests.crash import scene as scenes
from tests.crash.flips import Flip, change, draw, dump
from tests.crash.scene import Scene, Wrong, within
from tests.harness import Server, close_store, findings, open_barrier, open_store

from custody.base.clock import SystemClock
from custody.testing.server import MemoryServer

_VALUES, _KEYS, _PAGES, _REAL = 600, 180, 200, 20
_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Scene]:
    """A data directory with a scene in it; for copies only."""
    data = tmp_path_factory.mktemp("scene") / "data"
    return data, scenes.make(data)


@pytest.fixture
def copied(made: tuple[Path, Scene], tmp_path: Path) -> tuple[Path, Scene]:
    """The same, to be spoilt."""
    data = tmp_path / "data"
    shutil.copytree(made[0], data)
    return data, made[1]


@pytest.mark.parametrize(("part", "count"), [("value", _VALUES), ("key", _KEYS)])
def test_a_flipped_byte_in_a_row_is_named_and_opens_nothing(
    copied: tuple[Path, Scene], seed: int, part: str, count: int
) -> None:
    data, scene = copied
    chance = random.Random(seed)  # noqa: S311 - chooses what to flip

    async def run() -> None:
        store = open_store(data)
        server = MemoryServer(clock=SystemClock(), store=store)
        server.shares = scene.shares
        await server.unseal()
        try:
            for flip in draw(dump(store), part, count, chance):
                await store.write(partial(change, rows=flip.after), essential=True)
                await _look_at(server, scene, flip)
                await store.write(partial(change, rows=flip.before), essential=True)
            assert not findings(server.barrier)
            assert await scenes.look(scene, within(server)) == 0
        finally:
            await server.broker.close()
            await store.close()

    asyncio.run(run())


def test_flips_in_the_pages_of_the_file_are_named_or_change_nothing(
    copied: tuple[Path, Scene], seed: int
) -> None:
    data, scene = copied
    run = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-m", "tests.crash.pages", data, str(seed), str(_PAGES)],
        input=pages.encode_scene(scene),
        stdout=subprocess.PIPE,
        cwd=_ROOT,
        check=True,
    )
    outcomes = json.loads(run.stdout)
    print(outcomes)  # noqa: T201 - shown with a failure
    assert sum(outcomes.values()) == _PAGES
    assert outcomes.keys() <= {"same", "named", "ended"}
    assert outcomes["same"]
    assert outcomes["named"]


def test_the_real_server_names_a_flipped_byte_and_lets_nobody_in(
    made: tuple[Path, Scene], tmp_path: Path, seed: int
) -> None:
    original, scene = made
    chance = random.Random(seed)  # noqa: S311 - chooses what to flip
    store = open_store(original)
    rows = dump(store)
    close_store(store)
    flips = [*draw(rows, "value", _REAL // 2, chance), *draw(rows, "key", _REAL // 2, chance)]
    for number, flip in enumerate(flips):
        directory = tmp_path / str(number)
        shutil.copytree(original, directory / "data")
        _apply(directory / "data", flip)
        with Server(directory) as server:
            server.shares, server.token = scene.shares, scene.root
            named = asyncio.run(_named_by(server, scene))
        if not named:  # it was the root token's own row: then nobody may ask for the verification
            with open_barrier(directory / "data", scene.shares) as barrier:
                named = bool(findings(barrier))
        assert named, f"{flip.what}: nobody noticed"


async def _look_at(server: MemoryServer, scene: Scene, flip: Flip) -> None:
    try:
        refused = await scenes.look(scene, within(server))
    except Wrong as error:
        raise AssertionError(f"{flip.what}: {error}") from error
    assert findings(server.barrier) or refused, f"{flip.what}: nobody noticed"


def _apply(data: Path, flip: Flip) -> None:
    async def run() -> None:
        store = open_store(data)
        await store.write(partial(change, rows=flip.after), essential=True)
        await store.close()

    asyncio.run(run())


async def _named_by(server: Server, scene: Scene) -> bool:
    """Whether the unseal, an answer or the verification names the flip."""
    with server.client("") as client:

        async def call(method: str, path: str, token: str, body: object) -> tuple[int, Any]:
            answer = client.call(method, path, body, token)
            return answer.status, answer.body

        for share in scene.shares:
            status, _ = await call("PUT", "sys/unseal", "", {"key": share})
            if status != 200:
                return True
        refused = await scenes.look(scene, call)
        status, found = await call("PUT", "sys/verify", scene.root, {})
        if status == 403:
            return False
        return bool(refused) or status >= 500 or found["data"]["found"] > 0
