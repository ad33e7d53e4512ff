"""What operators ask of a node at work: its keys, its rows, its machine, its leases, its tools."""

import base64
from typing import Final

from tests.conformance.recorder import Record, RecordingServer

from custody.base.clock import NANOSECOND
from custody.base.store import Table
from custody.core import versions
from custody.core.jobs.rewrap import PAUSE, Rewrap
from custody.core.jobs.scrub import DELAY_NS, Scrub
from custody.core.verification import PARTS, Pace
from custody.storage.memory import MemoryStore
from custody.testing.server import HandClock

HASTE: Final = Pace(slice_ns=0, pauses=((0, 0.0),))  # gives a part no time at all


class HurriedClock(HandClock):
    """A clock by which each look takes `haste` seconds."""

    haste = 0.0

    def boot_ns(self) -> int:
        """The time, and a while later the next time."""
        self.advance(self.haste)
        return super().boot_ns()


async def keys(record: Record) -> None:
    """The encryption key, its rotation, and rows that are encrypted anew."""
    async with RecordingServer(record) as server:
        ask = server.ask
        await ask("GET", "sys/key-status")
        for path in ("rotate/config", "rotate/keyring/config"):
            for interval in ("0", "24h"):
                await ask("POST", f"sys/{path}", 204, interval=interval)
                await ask("GET", f"sys/{path}")
        await ask("GET", "sys/rotate/rewrap")
        await ask("POST", "sys/rotate", 204)
        await ask("POST", "sys/rotate/rewrap")
        job = Rewrap(server.barrier, server.clock)
        while await job.run() == PAUSE:
            pass
        await ask("GET", "sys/rotate/rewrap")


async def checked(record: Record) -> None:
    """A store of which a row is gone is checked, in time and out of time."""
    clock, store = HurriedClock(), MemoryStore()
    async with RecordingServer(record, clock=clock, store=store) as server:
        ask = server.ask
        await ask("POST", "secret/data/a", data={"a": 1})
        await ask("GET", "sys/verify")
        rows = store.dump()
        lost = next(place for place, _ in rows if place[0] == Table.ENGINE)
        store.load((place, row) for place, row in rows if place != lost)
        clock.haste = 700.0
        await ask("POST", "sys/verify")
        clock.haste = 0.0
        for pace in (HASTE, Pace(slice_ns=NANOSECOND, pauses=((NANOSECOND, 0.0),))):
            job = Scrub(server.node.parts, pace)
            clock.advance(DELAY_NS / NANOSECOND)
            for _ in PARTS:
                await job.run()
            await ask("GET", "sys/verify")
        await ask("POST", "sys/verify")


async def machine(record: Record) -> None:
    """The node, its machine, its configuration and its history."""
    async with RecordingServer(record, data_path="/") as server:
        await server.barrier.write(lambda txn: versions.note(txn, "later", 1))
        await server.ask("LIST", "sys/version-history")
        for path in (
            "ha-status", "host-info", "config/state/sanitized", "internal/counters/tokens",
            "internal/counters/entities", "in-flight-req", "leases?type=irrevocable",
            "leases/count?type=irrevocable", "storage/snapshot", "storage/raft/snapshot", "pprof",
            "pprof/allocs", "pprof/cmdline", "pprof/goroutine", "pprof/heap",
            "pprof/profile?seconds=1", "pprof/threadcreate", "monitor",
        ):  # fmt: skip
            await server.ask("GET", f"sys/{path}")


async def tools(record: Record) -> None:
    """Digests, random bytes, leaked tokens, and the tidying of leases."""
    async with RecordingServer(record) as server:
        ask, some = server.ask, base64.b64encode(b"x").decode()
        for path in ("hash", "hash/sha3-256"):
            await ask("POST", f"sys/tools/{path}", input=some)
        for path in ("random", "random/platform", "random/platform/8"):
            await ask("POST", f"sys/tools/{path}")
        await ask("POST", "sys/leases/tidy", 202)
        for kind in ("prefix", "force"):
            await ask("PUT", f"sys/leases/revoke-{kind}/auth/token/create", 204, sync=True)
        await ask("POST", "sys/leaked-tokens", texts=[await server.token()])


async def refused(record: Record) -> None:
    """What is not here: leases, Go's profiles, counts that nobody keeps."""
    async with RecordingServer(record) as server:
        await server.ask("POST", "sys/leases/lookup", 400, lease_id="none")
        for path in ("pprof/trace", "internal/counters/requests"):
            await server.ask("GET", f"sys/{path}", 404)


SCENES: Final = (keys, checked, machine, tools, refused)
