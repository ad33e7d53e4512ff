"""Rekeys by both spellings: how they stand, what they refuse, and which shares open the store."""

import base64
from collections.abc import Sequence
from typing import Any

import pytest
from pysequoia import Tsk, decrypt

from custody.base.store import Table
from custody.storage.memory import MemoryStore
from custody.testing.server import MemoryServer

OLD, NEW = "sys/rekey", "sys/rotate/root"
IDLE = {
    "nonce": "", "started": False, "t": 0, "n": 0, "progress": 0, "required": 2,
    "pgp_fingerprints": None, "backup": False, "verification_required": False,
}  # fmt: skip


class Sealed(MemoryServer):
    """A server whose unseal key is in three shares, two of which open it."""

    async def initialise(self, shares: int = 3, threshold: int = 2) -> None:
        """As said."""
        await super().initialise(shares, threshold)

    async def ask(self, status: int, method: str, path: str, **body: Any) -> Any:
        """The answer's own fields: `data` where there is an envelope."""
        token = "" if path.startswith("sys/rekey") else self.root_token
        answer = await self.expect(status, method, path, token=token, body=body or None)
        if not answer.body:
            return None
        return answer.json.get("data", answer.json) if status == 200 else answer.errors

    async def give(self, path: str, shares: Sequence[str], nonce: str) -> Any:
        """Give these shares; the answer to the last."""
        answers = [await self.ask(200, "PUT", path, key=one, nonce=nonce) for one in shares]
        return answers[-1]

    async def unseals(self, shares: Sequence[str]) -> Any:
        """The seal's status after these shares, from the beginning."""
        await self.expect(200, "PUT", "sys/unseal", body={"reset": True})
        for share in shares:
            await self.expect(200, "PUT", "sys/unseal", body={"key": share})
        return (await self.expect(200, "GET", "sys/seal-status")).json

    async def reopens(self, *shares: str) -> bool:
        """Whether these shares open the node after it was sealed."""
        await self.seal()
        for share in shares:
            await self.call("PUT", "sys/unseal", body={"key": share})
        return not (await self.expect(200, "GET", "sys/seal-status")).json["sealed"]


@pytest.mark.parametrize("base", [OLD, NEW])
async def test_a_rekey_makes_new_shares_and_the_old_ones_open_nothing(base: str) -> None:
    async with Sealed() as server:
        started = await server.ask(200, "POST", f"{base}/init", secret_shares=4, secret_threshold=3)
        assert (started["t"], started["n"], started["required"]) == (3, 4, 2)
        nonce = started["nonce"]
        one = await server.ask(200, "POST", f"{base}/update", key=server.shares[0], nonce=nonce)
        assert (one["progress"], one["nonce"]) == (1, nonce)
        made = await server.ask(200, "POST", f"{base}/update", key=server.shares[2], nonce=nonce)
        assert (made["complete"], made["nonce"], len(made["keys"])) == (True, nonce, 4)
        assert [base64.b64decode(key).hex() for key in made["keys_base64"]] == made["keys"]
        assert (await server.ask(200, "GET", f"{base}/init"))["required"] == 3
        assert not await server.reopens(*server.shares)
        status = await server.unseals(made["keys"][1:])
        assert (status["sealed"], status["t"], status["n"]) == (False, 3, 4)


async def test_the_old_spelling_of_an_idle_and_a_started_rekey() -> None:
    async with Sealed() as server:
        assert await server.ask(200, "GET", f"{OLD}/init") == IDLE
        body = {"secret_shares": 3, "secret_threshold": 2, "require_verification": True}
        started = await server.ask(200, "PUT", f"{OLD}/init", **body)
        nonce = started["nonce"]
        assert started == IDLE | {
            "nonce": nonce, "started": True, "t": 2, "n": 3, "verification_required": True
        }  # fmt: skip
        assert await server.ask(200, "GET", f"{OLD}/verify") == {
            "nonce": "", "started": False, "t": 2, "n": 3, "progress": 0
        }  # fmt: skip
        assert await server.ask(204, "DELETE", f"{OLD}/init") is None
        assert await server.ask(200, "GET", f"{OLD}/init") == IDLE


async def test_the_new_spelling_of_an_idle_and_a_started_rekey() -> None:
    async with Sealed() as server:
        idle = {"n": 0, "required": 2, "started": False, "t": 0}
        assert await server.ask(200, "GET", f"{NEW}/init") == idle
        started = await server.ask(200, "POST", f"{NEW}/init", secret_shares=1, secret_threshold=1)
        assert started == {
            "n": 1, "nonce": started["nonce"], "progress": 0, "required": 2, "started": True,
            "t": 1, "verification_nonce": "", "verification_required": False,
        }  # fmt: skip
        await server.expect(403, "POST", f"{NEW}/update", body={"key": server.shares[0]})


@pytest.mark.parametrize(
    ("base", "body", "text"),
    [
        (OLD, {"secret_shares": 3, "secret_threshold": 5},
         "invalid rekey seal configuration: threshold cannot be larger than shares"),
        (OLD, {"secret_shares": 3, "secret_threshold": 1},
         ("invalid rekey seal configuration: threshold must be greater than one for multiple"
         " shares")),
        (OLD, {}, "invalid rekey seal configuration: shares must be at least one"),
        (OLD, {"secret_shares": 300, "secret_threshold": 2},
         "invalid rekey seal configuration: shares must be less than 256"),
        (OLD, {"secret_shares": 3, "secret_threshold": 2, "backup": True},
         "cannot request a backup of the new keys without providing PGP keys for encryption"),
        (OLD, {"secret_shares": 3, "secret_threshold": 2, "pgp_keys": ["abc"]},
         "incorrect number of PGP keys for rekey"),
        (OLD, {"secret_shares": 1, "secret_threshold": 1, "pgp_keys": ["a"]},
         "invalid rekey seal configuration: error decoding given PGP key: illegal base64 data"),
        (OLD, {"secret_shares": 1, "secret_threshold": 1, "pgp_keys": ["AAAA"]},
         ("invalid rekey seal configuration: error parsing given PGP key: not an OpenPGP public"
         " key")),
        (NEW, {"secret_shares": 3, "secret_threshold": 5},
         "invalid rotate seal configuration: threshold cannot be larger than shares"),
    ],
)  # fmt: skip
async def test_an_impossible_rekey_is_not_started(
    base: str, body: dict[str, Any], text: str
) -> None:
    async with Sealed() as server:
        assert await server.ask(400, "POST", f"{base}/init", **body) == [text]
        assert not (await server.ask(200, "GET", f"{base}/init"))["started"]


@pytest.mark.parametrize(
    ("base", "again", "none", "nonce_text"),
    [
        (OLD, "rekey already in progress", "no barrier rekey in progress",
         "incorrect nonce supplied; nonce for this rekey operation is"),
        (NEW, "rotation already in progress", "no rotation in progress",
         "incorrect nonce supplied; nonce for rotation is"),
    ],
)  # fmt: skip
async def test_what_a_rekey_refuses(base: str, again: str, none: str, nonce_text: str) -> None:
    async with Sealed() as server:
        share = server.shares[0]
        body = {"secret_shares": 3, "secret_threshold": 2}
        assert await server.ask(400, "POST", f"{base}/update", key=share, nonce="x") == [none]
        nonce = (await server.ask(200, "POST", f"{base}/init", **body))["nonce"]
        assert await server.ask(400, "POST", f"{base}/init", **body) == [again]
        for wrong, text in {
            "zz": "'key' must be a valid hex or base64 string",
            "aabb": "key is shorter than minimum 16 bytes",
            "ab" * 34: "key is longer than maximum 33 bytes",
        }.items():
            sent = {"key": wrong, "nonce": nonce}
            assert await server.ask(400, "POST", f"{base}/update", **sent) == [text]
        sent = {"key": share, "nonce": "wrong"}
        assert await server.ask(400, "POST", f"{base}/update", **sent) == [
            f'{nonce_text} "{nonce}"'
        ]
        sent = {"key": share, "nonce": nonce}
        await server.ask(200, "POST", f"{base}/update", **sent)
        assert await server.ask(400, "POST", f"{base}/update", **sent) == [
            "given key has already been provided during this generation operation"
        ]
        sent["key"] = "00" * 32 + ("02" if share.endswith("01") else "01")  # another's place
        assert await server.ask(400, "POST", f"{base}/update", **sent) == [
            (
                "failed to read root key: invalid key: failed to decrypt keys from storage: "
                "cipher: message authentication failed"
            )
        ]
        assert (await server.ask(200, "GET", f"{base}/init"))["progress"] == 0
        assert await server.reopens(*server.shares)


async def test_the_words_for_a_missing_share() -> None:
    async with Sealed() as server:
        assert await server.ask(400, "PUT", f"{OLD}/update") == [
            "'key' must be specified in request body as JSON"
        ]
        assert await server.ask(400, "POST", f"{NEW}/update") == ["missing required field 'key'"]


async def _to_verification(server: Sealed, base: str) -> tuple[list[str], str]:
    """The new shares and the verification's nonce."""
    body = {"secret_shares": 4, "secret_threshold": 3, "require_verification": True}
    nonce = (await server.ask(200, "POST", f"{base}/init", **body))["nonce"]
    made = await server.give(f"{base}/update", server.shares[:2], nonce)
    assert made["verification_required"]
    return made["keys"], made["verification_nonce"]


@pytest.mark.parametrize("base", [OLD, NEW])
async def test_until_the_new_shares_are_verified_the_old_ones_are_valid(base: str) -> None:
    async with Sealed() as server:
        shares, nonce = await _to_verification(server, base)
        stands = await server.ask(200, "GET", f"{base}/verify")
        assert stands == {"nonce": nonce, "started": True, "t": 3, "n": 4, "progress": 0}
        for share in shares[:2]:
            await server.ask(200, "POST", f"{base}/verify", key=share, nonce=nonce)
        assert await server.reopens(*server.shares[:2])
        assert not (await server.ask(200, "GET", f"{base}/init"))["started"]
        shares, nonce = await _to_verification(server, base)
        done = await server.give(f"{base}/verify", shares[:3], nonce)
        assert done == {"nonce": nonce, "complete": True}
        assert not await server.reopens(*server.shares[:3])
        status = await server.unseals(shares[1:])
        assert not status["sealed"]


async def test_what_a_verification_refuses() -> None:
    async with Sealed() as server:
        assert await server.ask(400, "GET", f"{OLD}/verify") == ["no rekey configuration found"]
        shares, nonce = await _to_verification(server, OLD)
        finished = (
            "rekey operation already finished; verification must be performed; nonce for the "
            f'verification operation is "{nonce}"'
        )
        sent = {"key": server.shares[1], "nonce": "any"}
        assert await server.ask(400, "PUT", f"{OLD}/update", **sent) == [finished]
        assert await server.ask(400, "PUT", f"{OLD}/verify", key=shares[0], nonce="w") == [
            f'incorrect nonce supplied; nonce for this verify operation is "{nonce}"'
        ]
        await server.ask(200, "PUT", f"{OLD}/verify", key=shares[0], nonce=nonce)
        assert await server.ask(400, "PUT", f"{OLD}/verify", key=shares[0], nonce=nonce) == [
            "given key has already been provided during this verify operation"
        ]
        again = await server.ask(200, "DELETE", f"{OLD}/verify")
        assert (again["progress"], again["started"]) == (0, True)
        assert again["nonce"] != nonce
        await server.give(f"{OLD}/verify", shares[:2], again["nonce"])
        wrong = {"key": "00" * 32 + "02", "nonce": again["nonce"]}
        last = await server.ask(400, "PUT", f"{OLD}/verify", **wrong)
        assert last == ["rekey verification failed; incorrect key shares supplied"]
        assert (await server.ask(200, "GET", f"{OLD}/verify"))["progress"] == 0


async def test_the_last_share_may_be_given_again_if_its_answer_was_lost() -> None:
    async with Sealed() as server:
        body = {"secret_shares": 2, "secret_threshold": 2}
        nonce = (await server.ask(200, "PUT", f"{OLD}/init", **body))["nonce"]
        made = await server.give(f"{OLD}/update", server.shares[:2], nonce)
        sent = {"key": server.shares[1], "nonce": nonce}
        again = await server.ask(200, "PUT", f"{OLD}/update", **sent)
        assert again["keys"] == made["keys"]
        other = {"key": server.shares[0], "nonce": nonce}
        await server.ask(400, "PUT", f"{OLD}/update", **other)
        server.clock.advance(61)  # type: ignore[attr-defined] # a HandClock
        await server.ask(400, "PUT", f"{OLD}/update", **sent)


async def test_shares_for_pgp_keys_open_with_their_holders_keys_alone_and_are_kept() -> None:
    holders = [Tsk.generate(f"{name}@example.com") for name in ("a", "b")]
    public = [base64.b64encode(bytes(holder.extract_certificate())).decode() for holder in holders]
    prints = [holder.extract_certificate().fingerprint for holder in holders]
    async with Sealed() as server:
        root = server.root_token
        body = {"secret_shares": 2, "secret_threshold": 2, "pgp_keys": public, "backup": True}
        started = await server.ask(200, "PUT", f"{OLD}/init", **body)
        assert started["pgp_fingerprints"] == prints
        made = await server.give(f"{OLD}/update", server.shares[:2], started["nonce"])
        assert (made["pgp_fingerprints"], made["backup"]) == (prints, True)
        shares = [
            (decrypt(bytes.fromhex(message), holder.decryptor()).bytes or b"").decode()
            for message, holder in zip(made["keys"], holders, strict=True)
        ]
        with pytest.raises(RuntimeError):
            decrypt(bytes.fromhex(made["keys"][0]), holders[1].decryptor())
        shown = (await server.expect(200, "GET", "sys/rekey/backup", token=root)).json
        kept = shown["data"]
        assert shown.items() >= kept.items()
        assert kept["nonce"] == started["nonce"]
        assert kept["keys"] == {prints[n]: [made["keys"][n]] for n in (0, 1)}
        assert kept["keys_base64"] == {prints[n]: [made["keys_base64"][n]] for n in (0, 1)}
        await server.expect(204, "DELETE", "sys/rotate/root/backup", token=root)
        gone = await server.expect(400, "GET", "sys/rekey/backup", token=root)
        assert gone.errors == ["no backed-up keys found"]
        assert await server.reopens(*shares)


async def test_without_recovery_shares_there_is_no_recovery_key_to_replace() -> None:
    async with Sealed() as server:
        for method, path in (("GET", "init"), ("GET", "verify"), ("DELETE", "init")):
            answer = await server.expect(400, method, f"sys/rekey-recovery-key/{path}")
            assert answer.errors == ["recovery rekeying not supported"]


async def test_a_rekey_commits_what_its_record_remembers_in_one_transaction() -> None:
    store = MemoryStore()
    async with Sealed(store=store) as server:
        body = {"secret_shares": 1, "secret_threshold": 1}
        nonce = (await server.ask(200, "PUT", f"{OLD}/init", **body))["nonce"]
        await server.ask(200, "PUT", f"{OLD}/update", key=server.shares[0], nonce=nonce)
        server.recorder.broken = True
        sent = {"key": server.shares[1], "nonce": nonce}
        await server.ask(500, "PUT", f"{OLD}/update", **sent)  # no device has the request
        assert (await server.call("GET", "sys/seal-status")).json["n"] == 3
        server.recorder.broken = False
        await server.ask(200, "PUT", f"{OLD}/update", **sent)
        assert (await server.call("GET", "sys/seal-status")).json["n"] == 1
        assert not [key for key, _ in store.dump() if key[0] == Table.OUTBOX][1:]
        records = [one for one in server.recorder.records if one["type"] == "response"]
        assert records[-1]["request"]["path"] == "sys/rekey/update"
        assert records[-1]["custody"]["event_id"]
        everything = b"".join(server.recorder.lines)
        assert not [share for share in server.shares if share.encode() in everything]


@pytest.mark.parametrize("path", [f"{OLD}/init", f"{NEW}/init", "sys/generate-root/attempt"])
async def test_a_sealed_node_has_no_ceremonies(path: str) -> None:
    async with Sealed() as server:
        await server.seal()
        await server.expect(503, "GET", path)


async def test_a_new_root_key_leaves_shares_and_secrets_as_they_are() -> None:
    store = MemoryStore()
    async with Sealed(store=store) as server:
        before = dict(store.dump())
        await server.expect(204, "POST", "sys/rotate/root", token=server.root_token)
        changed = {key for key, row in store.dump() if before.get(key, row) != row}
        assert {b"\x00seal/keyring", b"\x00seal/root-key"} <= changed
        assert b"\x00seal/config" not in changed
        assert await server.reopens(*server.shares[:2])
        weak = await server.token('path "sys/rotate/root" { capabilities = ["update"] }')
        await server.expect(403, "POST", "sys/rotate/root", token=weak)


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ("sys/rekey/init", "sys/rotate/root/init"),
        ("sys/generate-root/attempt", "sys/generate-root-token/attempt"),
    ],
)
async def test_where_the_configuration_closes_them_ceremonies_want_a_token(
    path: str, other: str
) -> None:
    async with Sealed(closed=True) as server:
        for method in ("GET", "PUT", "DELETE"):
            answer = await server.expect(405, method, path, token=server.root_token)
            assert answer.errors == ["1 error occurred:\n\t* unsupported operation\n\n"]
        await server.expect(200, "GET", other, token=server.root_token)


async def test_a_rotation_of_the_keyring_has_a_record_that_says_it_was_committed() -> None:
    async with Sealed() as server:
        await server.expect(204, "POST", "sys/rotate", token=server.root_token)
        last = server.recorder.records[-1]
        assert last["request"]["path"] == "sys/rotate"
        assert last["custody"]["event_id"]
