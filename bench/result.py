"""What one run of the benchmark found, the table it prints, and the JSON it leaves."""

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from bench.load import (
    CONNECTIONS,
    KEYS,
    OFFERED,
    OPEN_READ,
    READ,
    READ_V1,
    TOKEN,
    WRAPPED,
    WRITE,
    Measure,
    middle,
)
from bench.targets import BARE, CUSTODY, OPENBAO, WORKERS

WORKLOADS = (READ, OPEN_READ, READ_V1, WRAPPED, WRITE, TOKEN)

_COLUMNS = ("workload", "server", "requests/s", "p50 ms", "p99 ms", "errors", "x OpenBao", "x bare")
_WIDTHS = (16, 14, 11, 8, 8, 7, 10, 7)


@dataclass(frozen=True, slots=True)
class Memory:
    """MiB: ready to serve, and after all load."""

    ready: float
    loaded: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What Custody takes with that many tokens: seconds to unseal, MiB a moment later."""

    tokens: int
    unseal: float
    memory: float


@dataclass(frozen=True, slots=True)
class Page:
    """Milliseconds for the first page of a directory with so many names: median, and the worst."""

    names: int
    page: int  # names on it
    median: float
    worst: float


@dataclass(slots=True)
class Result:
    """Every round's figures by workload and server, the memory by server, the cost of tokens."""

    rounds: dict[str, dict[str, list[Measure]]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    memory: dict[str, Memory] = field(default_factory=dict)
    costs: list[Cost] = field(default_factory=list)
    page: Page | None = None

    def add(self, workload: str, server: str, measure: Measure) -> None:
        """Keep one round."""
        self.rounds.setdefault(workload, {}).setdefault(server, []).append(measure)

    def of(self, workload: str, server: str) -> Measure | None:
        """The medians of one cell, None when it was not measured."""
        measures = self.rounds.get(workload, {}).get(server)
        return middle(measures) if measures else None

    def ratio(self, workload: str, other: str, server: str = CUSTODY) -> float | None:
        """How many times as many requests `server` answers as `other`."""
        mine, theirs = self.of(workload, server), self.of(workload, other)
        return mine.rate / theirs.rate if mine and theirs and theirs.rate else None

    def errors(self, server: str) -> int:
        """Errors of one server in all workloads."""
        cells = (self.of(workload, server) for workload in self.rounds)
        return sum(cell.errors for cell in cells if cell)


def table(result: Result) -> str:
    """The figures for people: medians over the rounds."""
    lines = [_line(_COLUMNS), _line(tuple("-" * width for width in _WIDTHS))]
    for workload in WORKLOADS:
        servers = result.rounds.get(workload, {})
        lines += [_line(_cells(result, workload, server)) for server in servers]
    lines.append("")
    for server, memory in result.memory.items():
        lines.append(f"memory of {server}: {memory.ready:.0f} MiB ready, {memory.loaded:.0f} after")
    lines += [
        f"Custody with {cost.tokens:,} tokens: unsealed in {cost.unseal:.2f} s,"
        f" {cost.memory:.0f} MiB"
        for cost in result.costs
    ]
    if result.page is not None:
        lines.append(
            f"Custody lists {result.page.page} of {result.page.names:,} names:"
            f" {result.page.median:.2f} ms, at most {result.page.worst:.2f} ms"
        )
    lines += ["", *_verdicts(result)]
    return "\n".join(lines)


def write_json(result: Result, path: Path, seconds: int) -> None:
    """The medians, every round, and where it was measured."""
    medians = {
        workload: {server: asdict(middle(measures)) for server, measures in servers.items()}
        for workload, servers in result.rounds.items()
    }
    rounds = {
        workload: {server: [asdict(one) for one in measures] for server, measures in cells.items()}
        for workload, cells in result.rounds.items()
    }
    document = {
        "machine": {"cores": os.cpu_count(), "kernel": platform.release(), "cpu": _cpu()},
        "python": platform.python_version(),
        "versions": result.versions,
        "settings": {
            "seconds": seconds,
            "connections": CONNECTIONS,
            "secrets": KEYS,
            "offered": OFFERED,
            "workers": WORKERS,
        },
        "units": {"rate": "requests/s", "p50": "ms", "p99": "ms", "memory": "MiB", "unseal": "s"},
        "medians": medians,
        "memory": {server: asdict(memory) for server, memory in result.memory.items()},
        "tokens": [asdict(cost) for cost in result.costs],
        "page": None if result.page is None else asdict(result.page),
        "rounds": rounds,
    }
    path.write_text(json.dumps(document, indent=2) + "\n")


def _cells(result: Result, workload: str, server: str) -> tuple[str, ...]:
    cell = result.of(workload, server)
    if cell is None:
        return (workload, server)
    return (
        workload,
        server,
        f"{cell.rate:,.0f}",
        f"{cell.p50:.2f}",
        f"{cell.p99:.2f}",
        str(cell.errors),
        _times(result.ratio(workload, OPENBAO, server)),
        _times(result.ratio(workload, BARE, server)),
    )


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def _line(cells: tuple[str, ...]) -> str:
    return "  ".join(
        cell.ljust(width) if index < 2 else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(cells, _WIDTHS, strict=False))
    ).rstrip()


def _verdicts(result: Result) -> list[str]:
    """What the design promises, beside what was found."""
    opened, written = result.of(OPEN_READ, CUSTODY), result.of(WRITE, CUSTODY)
    at_least = partial(_verdict, more_is_better=True)
    less_than = partial(_verdict, more_is_better=False)
    return [
        at_least("reads, times OpenBao", result.ratio(READ, OPENBAO), 6.0),
        at_least("reads, part of the bare listener", result.ratio(READ, BARE), 0.25),
        at_least("durable writes, times OpenBao", result.ratio(WRITE, OPENBAO), 6.0),
        at_least("token creation, times OpenBao", result.ratio(TOKEN, OPENBAO), 5.0),
        at_least("open loop, requests/s served", opened.rate if opened else None, OFFERED * 0.99),
        less_than("open loop, p99 in ms", opened.p99 if opened else None, 10.0),
        less_than("writes, p99 in ms", written.p99 if written else None, 50.0),
        less_than("first page, median in ms", result.page.median if result.page else None, 10.0),
    ]


def _verdict(words: str, found: float | None, bound: float, *, more_is_better: bool) -> str:
    wanted = f"{'at least' if more_is_better else 'less than'} {bound:,.6g}"
    if found is None:
        return f"not measured  {words}: wanted {wanted}"
    met = found >= bound if more_is_better else found < bound
    return f"{'met' if met else 'MISSED':<12}  {words}: {found:,.2f}, wanted {wanted}"


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
