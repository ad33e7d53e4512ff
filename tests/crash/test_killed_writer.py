"""What a killed process had committed is there for whoever opens the store after it."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import lmdb
from tests.harness import open_store

_KILLS = 20
_WRITER = """
import os, sys, lmdb
env = lmdb.open(sys.argv[1], map_size=1 << 40)
while True:
    with env.begin(write=True) as transaction:
        transaction.put(b"key", os.urandom(8))
    print("committed", flush=True)
"""


def test_a_process_that_opens_the_store_sees_all_that_a_killed_writer_committed(
    tmp_path: Path,
) -> None:
    first = open_store(tmp_path)
    generation = str(first.path)
    asyncio.run(first.close())
    with lmdb.open(generation, map_size=1 << 40) as observer:  # as a worker that lives on
        unseen = 0
        for _ in range(_KILLS):
            _kill_a_writer(generation)
            on_disk = observer.info()["last_txnid"]
            unseen += _seen(observer) != on_disk
            _open_elsewhere(tmp_path)
            assert _seen(observer) == on_disk
        assert unseen, "no kill met the moment that this is about"


def _kill_a_writer(generation: str) -> None:
    command = [sys.executable, "-c", _WRITER, generation]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:  # noqa: S603 - our own
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.02)
        writer.kill()


def _seen(observer: lmdb.Environment) -> int:
    with observer.begin() as transaction:
        return transaction.id()


def _open_elsewhere(data: Path) -> None:
    """In another process: an environment is opened once in each."""
    script = (
        "import asyncio, sys; from pathlib import Path; from tests.harness import open_store;"
        "asyncio.run(open_store(Path(sys.argv[1])).close())"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", script, data], check=True, cwd=root)  # noqa: S603 - ours
