"""`sys/verify`: what the check of everything stored has found, and a check at once."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final, TypedDict, cast

from custody.base.clock import NANOSECOND, rfc3339
from custody.base.errors import BadRequest
from custody.core import verification
from custody.core.act import Act
from custody.core.confine import SystemRows
from custody.core.verification import OPERATOR, PARTS, Result, StoredFinding
from custody.plugin.fields import Fields, Strings
from custody.plugin.request import Reply, Request
from custody.plugin.route import Access, Op, Route, acts, reads


class VerifyFields(Fields, frozen=True, kw_only=True):
    """What to check; nothing named is everything."""

    parts: Annotated[
        Strings, "What to check, by the names that GET answers as `parts`; none: all."
    ] = Strings()


class Finding(TypedDict):
    """A row that is not what was written; its key in hex."""

    table: str
    key: str
    reason: str


class NoCheck(TypedDict):
    """No check was begun yet."""

    parts: list[str]
    state: str


class Last(NoCheck):
    """The last check, or how far it is."""

    part: str
    started_time: str
    finished_time: str
    rows: int
    found: int
    findings: list[Finding]
    unfinished: list[str]


class Checked(TypedDict):
    """What a check at once has found."""

    rows: int
    found: int
    findings: list[Finding]
    unfinished: list[str]
    duration_ms: int


def last(_request: Request, rows: SystemRows) -> Reply:
    """The background's last check, or how far the one under way is."""
    found = verification.read(rows.rows)
    data: dict[str, object] = {"parts": PARTS, "state": "none"}
    if found is None:
        return Reply(data=data)
    data |= {
        "state": "finished" if found.finished_ns else "running",
        "part": found.part,
        "started_time": rfc3339(found.started_ns),
        "finished_time": rfc3339(found.finished_ns) if found.finished_ns else "",
        "rows": found.rows,
        "found": found.found,
        "findings": _shown(found.findings),
        "unfinished": found.unfinished,
    }
    return Reply(data=data)


async def verify(request: Request, act: Act) -> Reply:
    """Check now, in slices beside other requests; each part is given ten minutes at most."""
    fields = cast("VerifyFields", request.body)
    parts = tuple(fields.parts) or PARTS
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise BadRequest(f"unknown parts: {', '.join(unknown)}")
    clock = act.parts.clock
    began_ns = clock.boot_ns()
    result = Result()
    for part in parts:
        await verification.check(act.parts, part, OPERATOR, result)
    return Reply(
        data={
            "rows": result.rows,
            "found": result.found,
            "findings": _shown(verification.stored(finding) for finding in result.findings),
            "unfinished": result.unfinished,
            "duration_ms": (clock.boot_ns() - began_ns) * 1000 // NANOSECOND,
        }
    )


def _shown(findings: Iterable[StoredFinding]) -> list[Mapping[str, str]]:
    """Findings as clients read them; keys in hex."""
    return [
        {"table": finding.table, "key": finding.key.hex(), "reason": finding.reason}
        for finding in findings
    ]


ROUTES: Final = (
    Route(
        "verify",
        {
            Op.READ: reads(last, shows=Last | NoCheck),
            Op.WRITE: acts(verify, VerifyFields, shows=Checked),
        },
        access=Access.SUDO,
        help="Whether what is stored is what was written.",
    ),
)
