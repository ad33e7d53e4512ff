"""docs/reference/metrics.md: every counter and gauge."""

from collections.abc import Iterator

from custody.core.metrics import COUNTERS, GAUGES, exposed
from tools.reference import markdown

_TEXT = """\
`GET /v1/sys/metrics?format=prometheus` gives them to Prometheus, all processes of the node summed,
under the names below; without `format` the answer is JSON, with `custody.NAME` for each. It wants a
token that may read `sys/metrics`. Counters begin at 0 when the server starts, and a process that
ends takes nothing away from them."""


def page() -> str:
    """The page."""
    rows = markdown.table(("name", "kind", "what it counts"), _rows())
    return "\n".join([markdown.head("Metrics", _TEXT), rows])


def _rows() -> Iterator[tuple[str, str, str]]:
    for kind, named in (("counter", COUNTERS), ("gauge", GAUGES)):
        for name, text in named.items():
            yield markdown.code(exposed(name)), kind, text
