"""The throughput as an SVG bar chart, written by hand: one group of bars for each workload."""

from html import escape
from pathlib import Path

from bench.result import WORKLOADS, Result
from bench.targets import BARE, CUSTODY, OPENBAO

_COLOURS = {CUSTODY: "#2563eb", OPENBAO: "#d97706", BARE: "#9ca3af"}
_WIDTH = 760
_LEFT = 150  # where bars begin
_LONGEST = 470  # of a bar
_BAR = 18
_GAP = 22
_TOP = 64


def write(result: Result, path: Path) -> None:
    """Draw the medians. Each group has its own scale, since the workloads differ by tens."""
    rows: list[str] = []
    y = _TOP
    for workload in WORKLOADS:
        servers = result.rounds.get(workload)
        if not servers:
            continue
        rows.append(_text(12, y + _BAR, workload, kind="strong"))
        rates = {server: cell.rate for server in servers if (cell := result.of(workload, server))}
        highest = max([*rates.values(), 1.0])
        for server, rate in rates.items():
            rows.append(_bar(y, rate / highest, _COLOURS[server]))
            rows.append(_text(_LEFT + _LONGEST * rate / highest + 8, y + 13, f"{rate:,.0f}"))
            y += _BAR + 4
        y += _GAP
    path.write_text(_document(rows, y))


def _document(rows: list[str], height: int) -> str:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}">',
        "<style>text { font: 13px sans-serif; fill: #111827 }",
        ".strong { font-weight: bold }</style>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(12, 24, "Requests per second, median of the rounds", kind="strong"),
        *_legend(),
        *rows,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _legend() -> list[str]:
    parts = []
    for index, (server, colour) in enumerate(_COLOURS.items()):
        x = 12 + index * 120
        parts.append(f'<rect x="{x}" y="36" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(x + 18, 47, server))
    return parts


def _bar(y: int, share: float, colour: str) -> str:
    width = max(1.0, _LONGEST * share)
    return f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>'


def _text(x: float, y: float, words: str, kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(words)}</text>'
