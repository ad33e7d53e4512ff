"""`sys/metrics`: the counters of all processes of this node, summed."""

from datetime import UTC, datetime
from typing import Annotated, Final, Never, TypedDict

from custody.base.clock import NANOSECOND
from custody.core.act import Act
from custody.core.metrics import COUNTERS, GAUGES, exposed
from custody.plugin.fields import Fields
from custody.plugin.request import Reply, Request
from custody.plugin.route import Op, Route, acts


class MetricsFields(Fields, frozen=True, kw_only=True):
    """How they are written: JSON, or Prometheus's text."""

    format: Annotated[str, "`prometheus` for its text; any other: JSON."] = ""


class _Metric(TypedDict):
    Name: str
    Labels: dict[str, Never]


class Gauge(_Metric):
    """What is so now."""

    Value: int


class Counter(_Metric):
    """What has happened since the node was started, one thing at a time: how often, how many each
    second, their sum, and what there is to say of a sum of ones."""

    Count: int
    Rate: float
    Sum: int
    Min: int
    Max: int
    Mean: int
    Stddev: int


class Metrics(TypedDict):
    """All of them; the empty lists are there for clients that read them."""

    Timestamp: str
    Gauges: list[Gauge]
    Points: list[Never]
    Counters: list[Counter]
    Samples: list[Never]


async def read(request: Request, act: Act) -> Reply:
    """Every counter and gauge."""
    fields: MetricsFields = request.body
    metrics, clock = act.parts.metrics, act.parts.clock
    totals = metrics.totals()
    if fields.format == "prometheus":
        return Reply(
            content="".join(_lines(name, value) for name, value in totals.items()).encode(),
            content_type="text/plain; version=0.0.4",
        )
    seconds = (clock.boot_ns() - metrics.started_ns) / NANOSECOND
    return Reply(
        data={
            "Timestamp": _time(request.now_ns),
            "Gauges": [_gauge(name, totals[name]) for name in GAUGES],
            "Points": [],
            "Counters": [_counter(name, totals[name], seconds) for name in COUNTERS],
            "Samples": [],
        }
    )


def _lines(name: str, value: int) -> str:
    full = exposed(name)
    kind, text = ("gauge", GAUGES[name]) if name in GAUGES else ("counter", COUNTERS[name])
    return f"# HELP {full} {text}\n# TYPE {full} {kind}\n{full} {value}\n"


def _time(now_ns: int) -> str:
    """As Vault writes it here and nowhere else."""
    return f"{datetime.fromtimestamp(now_ns // NANOSECOND, UTC):%Y-%m-%d %H:%M:%S} +0000 UTC"


def _gauge(name: str, value: int) -> Gauge:
    return {"Name": f"custody.{name}", "Value": value, "Labels": {}}


def _counter(name: str, count: int, seconds: float) -> Counter:
    each = min(count, 1)
    return {
        "Name": f"custody.{name}",
        "Count": count,
        "Rate": count / seconds if seconds > 0 else 0.0,
        "Sum": count,
        "Min": each,
        "Max": each,
        "Mean": each,
        "Stddev": 0,
        "Labels": {},
    }


ROUTES: Final = (
    Route(
        "metrics",
        {
            Op.READ: acts(
                read, MetricsFields, shows=Metrics, media=("application/json", "text/plain")
            )
        },
        raw=True,
        help="The counters of this node, all processes summed.",
    ),
)
