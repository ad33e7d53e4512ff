"""Every counter and gauge of a node, and what each one counts: the one table of them.

The shared page, `sys/metrics` and the reference are made of it.
"""

from collections.abc import Mapping
from typing import Final

COUNTERS: Final[Mapping[str, str]] = {
    "requests_1xx": "Answers with a status of 100 to 199.",
    "requests_2xx": "Answers with a status of 200 to 299.",
    "requests_3xx": "Answers with a status of 300 to 399.",
    "requests_4xx": "Answers with a status of 400 to 499.",
    "requests_5xx": "Answers with a status of 500 to 599.",
    "outbox_replayed": "Commits recorded later, since no audit device had taken them at once.",
    "policy_denied": "Requests with a valid token that its policies did not allow.",
    "tampered_rows": "What did not authenticate when it was read, or when all was checked.",
    "scrub_rows": "Rows that were checked by the runs over everything stored.",
    "job_failures": "Runs of background jobs that failed; each is tried again.",
    "keyring_rotations": "Encryption keys that were added.",
    "unseals": "Times that this node was unsealed.",
    "seals": "Times that this node was sealed.",
    "respawns": "Processes that ended by themselves and were started anew.",
    "stuck_writers_killed": "Processes that were ended because a write of theirs hung.",
    "hung_processes_killed": "Processes that were ended because they did nothing for too long.",
    "log_lines_lost": "Lines that could not be written to the log.",
}
GAUGES: Final[Mapping[str, str]] = {"up": "Workers and stewards of this node that are ready."}
PREFIX: Final = "custody_"


def exposed(name: str) -> str:
    """The name that Prometheus knows it by."""
    return PREFIX + name if name in GAUGES else f"{PREFIX}{name}_total"
