"""The benchmark's entry: start the servers, alternate the rounds, print and keep the figures.

    make bench                            Custody and the bare listener
    make bench BAO=/path/to/bao           beside OpenBao
    make bench ARGS="--rounds=1 --seconds=2"

Everything runs on this machine, on loopback, for a time that is known beforehand; whatever was
started is ended by its process id, and the data is removed.
"""

import argparse
import contextlib
import http.client
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tools import process
from tools.api import NotReady, Refused

from bench import chart, memory, seed
from bench.load import WRITING, LoadFailed, run
from bench.prepare import prepare, probe, version
from bench.result import WORKLOADS, Memory, Result, table, write_json
from bench.targets import CUSTODY, Starter, Target, bare, custody, openbao

FEW_TOKENS = 1000
RESULTS = Path(__file__).with_name("results")

_WARM_UP = 1  # seconds, once for each server and workload
_PAUSE = 0.5  # seconds between two runs


def main() -> int:
    """Run it all; the exit code is 1 when a server failed or refused a request."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and clean up
    try:
        result = _measured(options, _starters(options.bao))
    except (LoadFailed, NotReady, Refused, OSError, http.client.HTTPException, ValueError) as error:
        print(f"make bench: {error}", file=sys.stderr)
        return 1
    RESULTS.mkdir(exist_ok=True)
    write_json(result, RESULTS / "bench.json", options.seconds)
    chart.write(result, RESULTS / "bench.svg")
    print(f"\n{table(result)}\n\nwritten: {RESULTS}/bench.json, {RESULTS}/bench.svg")
    return 1 if result.errors(CUSTODY) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench")
    add = parser.add_argument
    add("--rounds", type=int, default=3, choices=range(1, 21), metavar="1-20")
    add("--seconds", type=int, default=5, choices=range(1, 61), metavar="1-60")
    add("--tokens", type=int, default=500_000, choices=range(2_000_001), metavar="0-2000000")
    add("--names", type=int, default=1_000_000, choices=range(2_000_001), metavar="0-2000000")
    add("--bao", default=os.environ.get("BAO") or shutil.which("bao"))
    return parser.parse_args()


def _starters(bao: str | None) -> list[Starter]:
    if bao is None:
        print("no OpenBao here (BAO=/path/to/bao, or bao in PATH): measuring without it")
        return [custody, bare]
    return [custody, openbao(Path(bao).resolve(strict=True)), bare]


def _measured(options: argparse.Namespace, starters: list[Starter]) -> Result:
    """Measure everything; nothing is left running and no data is left, come what may."""
    result = Result()
    # /var/tmp is on a disk where /tmp may be memory, which would make every sync free.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        _under_load(options, starters, result, Path(scratch))
        if options.tokens:
            print(f"seeding {FEW_TOKENS:,}, then {options.tokens:,} tokens", flush=True)
            result.costs = seed.measure(Path(scratch) / "seed", [FEW_TOKENS, options.tokens])
        if options.names:
            print(f"seeding a directory of {options.names:,} names", flush=True)
            result.page = seed.first_page(Path(scratch) / "names", options.names)
    return result


def _under_load(
    options: argparse.Namespace, starters: list[Starter], result: Result, scratch: Path
) -> None:
    with contextlib.ExitStack() as stack:
        targets = []
        for number, start in enumerate(starters):
            target = start(scratch / str(number))
            stack.callback(process.stop, target.process)
            print(f"preparing {target.name}", flush=True)
            prepare(target)
            targets.append(target)
            result.versions[target.name] = version(target)
        ready = {target.name: memory.held(target.process.pid) for target in targets}
        _alternate(targets, result, options.rounds, options.seconds)
        for target in targets:
            loaded = memory.held(target.process.pid)
            result.memory[target.name] = Memory(ready[target.name], loaded)


def _alternate(targets: list[Target], result: Result, rounds: int, seconds: int) -> None:
    """Each round gives every server every workload, beginning with another server each time."""
    for workload in WORKLOADS:
        able = [target for target in targets if target.is_vault or workload not in WRITING]
        for target in able:
            probe(target, workload)
            run(workload, target, _WARM_UP)
        for number in range(rounds):
            first = number % max(len(able), 1)
            for target in able[first:] + able[:first]:
                time.sleep(_PAUSE)
                measure = run(workload, target, seconds)
                result.add(workload, target.name, measure)
                print(
                    f"{workload:<16} round {number + 1}/{rounds}  {target.name:<14}"
                    f" {measure.rate:>9,.0f}/s  p99 {measure.p99:8.2f} ms",
                    flush=True,
                )


if __name__ == "__main__":
    sys.exit(main())
