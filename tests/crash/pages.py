"""Flips bytes in the pages of a store's file and looks, each time in a process of its own.

    python -m tests.crash.pages DATA SEED COUNT < scene

A broken tree may end or hang LMDB, so whoever looks is a child. Prints how often which outcome:
the same rows, damage named by a read, the scrub or LMDB itself, the process ended. A scene's last
commit only forgets an outbox row, so what LMDB loses with its newest meta page is nothing else.
"""

import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path

import lmdb
import msgspec
from tests.crash import scene as scenes
from tests.crash.flips import digest, dump
from tests.crash.scene import Scene, within
from tests.harness import findings, open_store

from custody.base.clock import SystemClock
from custody.testing.server import MemoryServer

_SECONDS = 10  # that one look may take
_OUTCOMES = ("same", "named", "wrong", "unnoticed")
_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGALRM}


def encode_scene(scene: Scene) -> bytes:
    """The scene for this program's standard input."""
    return msgspec.json.encode(scene)


def main() -> None:
    """Flip and look."""
    data, seed, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    scene = msgspec.json.decode(sys.stdin.buffer.read(), type=Scene)
    chance = random.Random(seed)  # noqa: S311 - chooses what to flip
    file = data / "root" / "gen-000001" / "data.mdb"
    whole = file.read_bytes()
    outcomes: Counter[str] = Counter()
    for _ in range(count):
        place = chance.randrange(len(whole))
        byte = whole[place] ^ chance.randrange(1, 256)
        _write(file, place, bytes([byte]))
        outcome = _in_a_child(data, scene)
        if outcome in ("wrong", "unnoticed", "failed"):
            print(f"byte {place} of {len(whole)}, page {place // 4096}", file=sys.stderr)  # noqa: T201
        outcomes[outcome] += 1
        file.write_bytes(whole)
    print(json.dumps(outcomes))  # noqa: T201 - the program's output


def _write(file: Path, place: int, data: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(place)
        opened.write(data)


def _in_a_child(data: Path, scene: Scene) -> str:
    child = os.fork()
    if child == 0:
        signal.alarm(_SECONDS)
        os._exit(_OUTCOMES.index(asyncio.run(_look(data, scene))))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "ended" if os.WTERMSIG(status) in _CRASHES else "failed"
    code = os.WEXITSTATUS(status)
    return _OUTCOMES[code] if code < len(_OUTCOMES) else "failed"


async def _look(data: Path, scene: Scene) -> str:
    try:
        store = open_store(data)
        server = MemoryServer(clock=SystemClock(), store=store)
        server.shares = scene.shares
        await server.unseal()
        refused = await scenes.look(scene, within(server))
        found = findings(server.barrier)
        rows = digest(dump(store))
    except scenes.Wrong as error:
        print(error, file=sys.stderr)  # noqa: T201 - for whoever reads a failure
        return "wrong"
    except (lmdb.Error, AssertionError):  # AssertionError: it does not unseal
        return "named"
    if found or refused:
        return "named"
    return "same" if rows == scene.digest else "unnoticed"


if __name__ == "__main__":
    main()
