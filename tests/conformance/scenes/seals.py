"""Nodes on their way: not initialised, sealed, half open, and with a seal that fails."""

from typing import Final

import pytest
from tests.conformance.recorder import Record, RecordingServer

from custody.core.jobs.unseal import Unseal
from custody.seals.seal import CannotUnseal
from custody.storage.memory import MemoryStore
from custody.testing.seal import MemoryKMS

STATES: Final = ("health", "seal-status", "seal-backend-status", "init", "leader")


async def shamir(record: Record) -> None:
    """From nothing to open by shares."""
    server = RecordingServer(record)
    await _states(server)
    await server.initialise(2, 2)
    await _states(server)
    await server.expect(200, "PUT", "sys/unseal", body={"reset": True})
    await server.unseal()
    await _states(server)
    await server.expect(200, "PUT", "sys/unseal", body={"key": server.shares[0]})


async def automatic(record: Record) -> None:
    """A seal whose key is lost, and people who hold recovery shares."""
    kms, store = MemoryKMS(), MemoryStore()
    first = RecordingServer(record, seal=kms, store=store)
    body = {"recovery_shares": 3, "recovery_threshold": 2}
    made = (await first.expect(200, "PUT", "sys/init", body=body)).json
    kms.destroy()
    again = RecordingServer(record, seal=kms, store=store)
    with pytest.raises(CannotUnseal):
        await Unseal(again.node.parts).run()
    await again.custodian.look_at_seal()
    await _states(again)
    for share in made["recovery_keys"][:2]:
        await again.expect(200, "PUT", "sys/unseal", body={"key": share})
    await _states(again)


async def _states(server: RecordingServer) -> None:
    for path in STATES:
        await server.call("GET", f"sys/{path}")


SCENES: Final = (shamir, automatic)
