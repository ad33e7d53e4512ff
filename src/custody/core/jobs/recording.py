"""Records what was committed but not recorded: a process died, or no audit device was there.

A commit's row is this job's once it has lain for RECOVER_AFTER_NS of boot time under its own eyes,
so neither a clock that was set nor a restart makes it hurry. Before it writes it asks the devices
for what they hold already, and it removes a row only after a device has its records: cut off
anywhere, each commit still gets one record. It knows no values: who did what, where and when.

A token that such a commit made and that nobody was given is not revoked here: the row does not
name it, the client never learned it, and it ends with its TTL.
"""

import logging
from typing import Final

from custody.audit import table as audit_table
from custody.audit.entry import RequestEntry, ResponseEntry
from custody.audit.record import Caller, Mount
from custody.base.clock import NANOSECOND, Clock
from custody.base.codec import CorruptRecord
from custody.base.errors import AuditFailed
from custody.base.store import Rows, Tampered
from custody.core import outbox
from custody.core.commit import Commit
from custody.core.damage import named
from custody.core.jobs.job import POLL, JobStore
from custody.core.outbox import RECOVER_AFTER_NS
from custody.core.ports import Devices, Metrics

WATCHED: Final = 5000  # rows looked at in one round
BATCH: Final = 100  # commits after which a run takes no more rows
_log = logging.getLogger(__name__)


class Recording:
    """The job. What it watches is forgotten with the process and watched anew by the next."""

    name: Final = "recording"

    def __init__(self, store: JobStore, devices: Devices, clock: Clock, metrics: Metrics) -> None:
        self._store = store
        self._devices = devices
        self._clock = clock
        self._metrics = metrics
        self._watched: list[bytes] = []
        self._ripe_ns = 0  # boot time from which on what is watched and still there is ours
        self._after = b""  # where the next round begins; the table is walked in a circle

    async def run(self) -> float:
        """Settle one batch; answers after how many seconds to come back."""
        with self._store.snapshot() as rows:
            if not self._watched:
                return self._watch(rows)
            wait_ns = self._ripe_ns - self._clock.boot_ns()
            if wait_ns > 0:
                return wait_ns / NANOSECOND
            left = self._left(rows)
            if left:
                self._use_devices(rows)
        if left:
            await self._settle(left)
        return 0.0 if self._watched else POLL

    def _watch(self, rows: Rows) -> float:
        self._watched = outbox.keys(rows, self._after, WATCHED)
        self._after = self._watched[-1] if len(self._watched) == WATCHED else b""
        if not self._watched:
            return POLL
        self._ripe_ns = self._clock.boot_ns() + RECOVER_AFTER_NS
        return RECOVER_AFTER_NS / NANOSECOND

    def _left(self, rows: Rows) -> dict[bytes, list[Commit]]:
        """The next of the rows that are still there; one that cannot be read is told and left."""
        left: dict[bytes, list[Commit]] = {}
        count = taken = 0
        for key in self._watched:
            if count >= BATCH:
                break
            taken += 1
            try:
                commits = outbox.load(rows, key)
            except (Tampered, CorruptRecord) as error:
                named(error, self._metrics)
                continue
            if commits:
                left[key] = commits
                count += len(commits)
        del self._watched[:taken]
        return left

    def _use_devices(self, rows: Rows) -> None:
        table = audit_table.read(rows)
        if table is audit_table.EMPTY:
            raise AuditFailed("the table of audit devices is missing")
        self._devices.use(table)

    async def _settle(self, left: dict[bytes, list[Commit]]) -> None:
        commits = {commit.request_id: commit for row in left.values() for commit in row}
        since_ns = min(commit.time_ns for commit in commits.values())
        held = await self._devices.contains(set(commits), since_ns)
        missing = [commit for known, commit in commits.items() if known not in held]
        if missing:
            now_ns = self._clock.now_ns()
            await self._devices.record(*(_entry(commit, now_ns) for commit in missing))
            self._metrics.add("outbox_replayed", len(missing))
            _log.warning("%d commits were recorded after the fact", len(missing))
        await self._store.write(lambda txn: outbox.forget_all(txn, left), essential=True)


def _entry(commit: Commit, now_ns: int) -> ResponseEntry:
    caller = None
    if commit.accessor:
        # The token's hash is not known; this is no hash, so it is no other caller's either.
        caller = Caller(
            id=commit.accessor.encode(),
            accessor=commit.accessor,
            display_name=commit.display_name,
        )
    request = RequestEntry(
        time_ns=commit.time_ns,
        id=commit.request_id,
        operation=commit.operation,
        path=commit.path,
        caller=caller,
        mount=Mount(point=commit.mount, type=commit.kind),
        remote_address=commit.remote_address,
    )
    return ResponseEntry(
        time_ns=max(now_ns, commit.time_ns),
        request=request,
        event_id=commit.request_id,
        recovered=True,
    )
