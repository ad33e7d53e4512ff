"""`sys/metrics`: the counters of all processes of this node, summed."""

from collections.abc import Mapping
from typing import Annotated, Final, Never, TypedDict

from custody.base.clock import rfc3339
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
    """What has happened since the node was started."""

    Count: int


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
    totals = act.parts.metrics.totals()
    if fields.format == "prometheus":
        return Reply(
            content="".join(_lines(name, value) for name, value in totals.items()).encode(),
            content_type="text/plain; version=0.0.4",
        )
    return Reply(
        data={
            "Timestamp": rfc3339(request.now_ns),
            "Gauges": _part(totals, gauges=True),
            "Points": [],
            "Counters": _part(totals, gauges=False),
            "Samples": [],
        }
    )


def _lines(name: str, value: int) -> str:
    full = exposed(name)
    kind, text = ("gauge", GAUGES[name]) if name in GAUGES else ("counter", COUNTERS[name])
    return f"# HELP {full} {text}\n# TYPE {full} {kind}\n{full} {value}\n"


def _part(totals: Mapping[str, int], *, gauges: bool) -> list[dict[str, object]]:
    return [
        {"Name": f"custody.{name}", "Value" if gauges else "Count": value, "Labels": {}}
        for name, value in totals.items()
        if (name in GAUGES) is gauges
    ]


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
