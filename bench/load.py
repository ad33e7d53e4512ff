"""The load: wrk for the closed loop, h2load for the open one, and what they report."""

import json
import math
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.targets import Target

READ = "read"
WRITE = "write"
TOKEN = "token"  # noqa: S105 - the name of a workload
OPEN_READ = "read, open loop"
READ_V1 = "read, KV v1"
WRAPPED = "wrapped read"
WRITING = (WRITE, TOKEN, WRAPPED)  # what an answering constant cannot be compared with
KEYS = 1000
CONNECTIONS = 64
OFFERED = 5000  # requests per second in the open loop

_OPEN_CLIENTS = 50
_LUA = Path(__file__).with_name("load.lua")
_SUMMARY = re.compile(r"^BENCH (\{.*\})$", re.MULTILINE)
_LOST = re.compile(r"(\d+) failed, (\d+) errored, (\d+) timeout")
_SLACK = 60  # seconds that a load generator may need beyond its duration


class LoadFailed(Exception):
    """A load generator did not run to its end."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One run, or the median of several: requests per second, milliseconds, and errors."""

    rate: float
    p50: float
    p99: float
    errors: int
    requests: int


def middle(measures: list[Measure]) -> Measure:
    """The median of each figure; errors and requests are summed."""
    return Measure(
        rate=median(measure.rate for measure in measures),
        p50=median(measure.p50 for measure in measures),
        p99=median(measure.p99 for measure in measures),
        errors=sum(measure.errors for measure in measures),
        requests=sum(measure.requests for measure in measures),
    )


def run(workload: str, target: Target, seconds: int) -> Measure:
    """Put `workload` on `target` for `seconds`. Raises LoadFailed."""
    if workload == OPEN_READ:
        return _open_loop(target, seconds)
    return _closed_loop(workload, target, seconds)


def _closed_loop(workload: str, target: Target, seconds: int) -> Measure:
    variables = {
        "BENCH_WORKLOAD": workload,
        "BENCH_KEYS": str(KEYS),
        "BENCH_TOKEN": target.api.token,
    }
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s"]
    text = _output([*command, "-s", str(_LUA), target.api.address], seconds, variables)
    found = _SUMMARY.search(text)
    if found is None:
        raise LoadFailed(f"wrk printed no figures: {text[-300:]}")
    figures = json.loads(found[1])
    return Measure(
        rate=figures["requests"] / (figures["microseconds"] / 1e6),
        p50=figures["p50"] / 1000,
        p99=figures["p99"] / 1000,
        errors=figures["errors"],
        requests=figures["requests"],
    )


def _open_loop(target: Target, seconds: int) -> Measure:
    """A constant rate over all keys, whether or not the answers keep up.

    h2load measures from the moment a request is sent, and a connection whose answer is late sends
    late: a server that falls behind shows it as a rate below the offered one.
    """
    with tempfile.TemporaryDirectory() as scratch:
        targets, log = Path(scratch, "targets"), Path(scratch, "log")
        base = f"{target.api.address}/v1/secret/data/bench"
        targets.write_text("".join(f"{base}/{key}\n" for key in range(KEYS)))
        command = ["h2load", "--h1", f"-c{_OPEN_CLIENTS}", f"--rps={OFFERED / _OPEN_CLIENTS}"]
        command += [f"-D{seconds}", f"--input-file={targets}", f"--log-file={log}"]
        command += ["-H", f"X-Vault-Token: {target.api.token or 'none'}"]
        text = _output(command, seconds, {})
        return _from_log(log.read_text(), text, seconds)


def _from_log(log: str, text: str, seconds: int) -> Measure:
    rows = [line.split("\t") for line in log.splitlines()]
    times = sorted(int(row[2]) for row in rows)
    lost = _LOST.search(text)
    if not times or lost is None:
        raise LoadFailed(f"h2load measured nothing: {text[-300:]}")
    refused = sum(not row[1].startswith("2") for row in rows)
    return Measure(
        rate=len(rows) / seconds,
        p50=_percentile(times, 0.50) / 1000,
        p99=_percentile(times, 0.99) / 1000,
        errors=refused + int(lost[2]) + int(lost[3]),
        requests=len(rows),
    )


def _percentile(ordered: list[int], share: float) -> int:
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def _output(command: list[str], seconds: int, variables: dict[str, str]) -> str:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            check=True,
            text=True,
            timeout=seconds + _SLACK,
            env=os.environ | variables,
        )
    except subprocess.TimeoutExpired as error:
        raise LoadFailed(f"{command[0]} did not end in time") from error
    except subprocess.CalledProcessError as error:
        raise LoadFailed(f"{command[0]} ended with {error.returncode}: {error.stderr}") from error
    return done.stdout
