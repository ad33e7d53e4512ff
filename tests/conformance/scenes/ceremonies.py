"""Ceremonies by the holders of shares, under each spelling: rekeys and root tokens."""

import base64
from collections.abc import Sequence
from typing import Any, Final

from pysequoia import Tsk
from tests.conformance.recorder import Record, RecordingServer

from custody.core.jobs.unseal import Unseal
from custody.testing.seal import MemoryKMS

PUBLIC: Final = base64.b64encode(
    bytes(Tsk.generate("holder@example.com").extract_certificate())
).decode()
SPLIT: Final = {"secret_shares": 3, "secret_threshold": 2}
FOR_ONE: Final = {"secret_shares": 1, "secret_threshold": 1, "pgp_keys": [PUBLIC], "backup": True}


class Held(RecordingServer):
    """A server whose shares three people hold, two of whom are enough: of its unseal key, or of
    the recovery key of its automatic seal."""

    async def initialise(self, shares: int = 3, threshold: int = 2) -> None:
        """As said."""
        if self._seal is None:
            await super().initialise(shares, threshold)
            return
        body = {"recovery_shares": shares, "recovery_threshold": threshold}
        made = (await self.expect(200, "PUT", "sys/init", body=body)).json
        self.shares, self.root_token = made["recovery_keys"], made["root_token"]

    async def unseal(self) -> None:
        """By the seal, or with all shares."""
        if self._seal is None:
            await super().unseal()
        await Unseal(self.node.parts).run()

    async def give(self, path: str, shares: Sequence[str], nonce: str) -> Any:
        """Give these shares; the answer to the last."""
        answers = [await self.ask("POST", path, key=one, nonce=nonce) for one in shares]
        return answers[-1]

    async def rekeyed(self, base: str, wish: dict[str, Any]) -> Any:
        """The new shares, which are the server's from now on."""
        started = await self.ask("POST", f"{base}/init", **wish)
        await self.ask("GET", f"{base}/init")
        return await self.give(f"{base}/update", self.shares[:2], started["nonce"])


async def rekeys(record: Record) -> None:
    """New shares of both keys by both spellings: proven, in clear, and for the holder of a key."""
    for base, backup, seal in (
        ("sys/rekey", "sys/rekey/backup", None),
        ("sys/rotate/root", "sys/rotate/root/backup", None),
        ("sys/rekey-recovery-key", "sys/rekey/recovery-key-backup", MemoryKMS()),
        ("sys/rotate/recovery", "sys/rotate/recovery/backup", MemoryKMS()),
    ):
        async with Held(record, seal=seal) as server:
            await server.ask("GET", f"{base}/init")
            await _proven(server, base)
            await server.rekeyed(base, FOR_ONE)
            await server.ask("GET", backup)


async def _proven(server: Held, base: str) -> None:
    """A rekey whose new shares must be shown, which they are at the second attempt."""
    made = await server.rekeyed(base, {**SPLIT, "require_verification": True})
    await server.ask("GET", f"{base}/verify")
    answer = await server.ask("DELETE", f"{base}/verify")
    await server.ask("GET", f"{base}/init")
    await server.give(f"{base}/verify", made["keys"][:2], answer["nonce"])
    server.shares = made["keys"]


async def root_tokens(record: Record) -> None:
    """A root token by each spelling, for a password and for a key."""
    async with Held(record) as server:
        for base in ("sys/generate-root", "sys/generate-root-token"):
            starts = [f"{base}/attempt", *([base] if base == "sys/generate-root" else [])]
            for path in starts:
                await server.ask("GET", path)
                wishes: Sequence[dict[str, Any]] = ({}, {"pgp_key": PUBLIC})
                for wish in wishes:
                    started = await server.ask("POST", path, **wish)
                    await server.ask("GET", path)
                    made = await server.give(f"{base}/update", server.shares[:2], started["nonce"])
                    if not wish:
                        await server.ask(
                            "POST", "sys/decode-token",
                            encoded_token=made["encoded_token"], otp=started["otp"],
                        )  # fmt: skip


SCENES: Final = (rekeys, root_tokens)
