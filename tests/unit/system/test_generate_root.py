"""The making of a root token by share holders, under both spellings."""

import base64
from typing import Any

import pytest
from pysequoia import Tsk, decrypt
from tests.unit.core.stage import ActingRecorder

from custody.testing.server import MemoryServer

OLD, NEW = "sys/generate-root", "sys/generate-root-token"
LENGTH = 34


class Sealed(MemoryServer):
    """A server whose unseal key is in three shares, two of which open it."""

    async def initialise(self, shares: int = 3, threshold: int = 2) -> None:
        """As said."""
        await super().initialise(shares, threshold)

    async def ask(self, status: int, method: str, path: str, **body: Any) -> Any:
        """The answer's own fields: `data` where there is an envelope."""
        token = "" if path.startswith(f"{OLD}/") or path == OLD else self.root_token
        answer = await self.expect(status, method, path, token=token, body=body or None)
        if not answer.body:
            return None
        return answer.json.get("data", answer.json) if status == 200 else answer.errors

    async def unseals(self) -> None:
        """With two shares."""
        for share in self.shares[:2]:
            await self.expect(200, "PUT", "sys/unseal", body={"key": share})

    async def generate(self, base: str, **wish: Any) -> tuple[Any, Any]:
        """The answers to the start and to the last share."""
        started = await self.ask(200, "POST", f"{base}/attempt", **wish)
        path, nonce = f"{base}/update", started["nonce"]
        made = [await self.ask(200, "POST", path, key=one, nonce=nonce) for one in self.shares[1:]]
        return started, made[-1]

    async def is_root(self, token: str) -> None:
        """Raises AssertionError unless it is an orphan root token without end."""
        found = (await self.expect(200, "GET", "auth/token/lookup-self", token=token)).data
        assert (found["policies"], found["display_name"]) == (["root"], "root")
        assert (found["path"], found["ttl"], found["orphan"]) == ("auth/token/root", 0, True)


@pytest.mark.parametrize("base", [OLD, NEW])
async def test_enough_shares_make_a_root_token_that_only_the_password_uncovers(base: str) -> None:
    async with Sealed() as server:
        started, made = await server.generate(base)
        assert (started["otp_length"], len(started["otp"])) == (LENGTH, LENGTH)
        assert (made["complete"], made["progress"], made["required"]) == (True, 2, 2)
        body = {"encoded_token": made["encoded_token"], "otp": started["otp"]}
        decoded = await server.expect(200, "POST", "sys/decode-token", body=body)
        await server.is_root(decoded.data["token"])
        assert decoded.data["token"].startswith("cus.")
        assert decoded.data["token"] not in str(made)
        assert not (await server.ask(200, "GET", f"{base}/attempt"))["started"]


@pytest.mark.parametrize("length", [26, 28, LENGTH])
async def test_the_token_is_as_long_as_the_password_that_the_caller_chose(length: int) -> None:
    async with Sealed() as server:
        otp = "p" * length
        started, made = await server.generate(OLD, otp=otp)
        assert started["otp"] == ""
        body = {"encoded_token": made["encoded_root_token"], "otp": otp}
        token = (await server.expect(200, "PUT", "sys/decode-token", body=body)).data["token"]
        assert len(token) == length
        await server.is_root(token)


async def test_a_root_token_for_a_pgp_key_opens_with_that_key() -> None:
    holder = Tsk.generate("holder@example.com")
    public = base64.b64encode(bytes(holder.extract_certificate())).decode()
    async with Sealed() as server:
        started, made = await server.generate(OLD, pgp_key=public)
        assert started["pgp_fingerprint"] == holder.extract_certificate().fingerprint
        assert started["otp"] == ""
        message = base64.b64decode(made["encoded_token"])
        await server.is_root((decrypt(message, holder.decryptor()).bytes or b"").decode())


async def test_the_old_spelling_of_an_attempt() -> None:
    async with Sealed() as server:
        idle = {
            "nonce": "", "started": False, "progress": 0, "required": 2, "complete": False,
            "encoded_token": "", "encoded_root_token": "", "pgp_fingerprint": "", "otp": "",
            "otp_length": LENGTH,
        }  # fmt: skip
        assert await server.ask(200, "GET", OLD) == idle
        started = await server.ask(200, "PUT", f"{OLD}/attempt")
        assert started == idle | {"nonce": started["nonce"], "started": True, "otp": started["otp"]}
        seen = await server.ask(200, "GET", f"{OLD}/attempt")
        assert seen == started | {"otp": ""}
        sent = {"key": server.shares[0], "nonce": started["nonce"]}
        one = await server.ask(200, "PUT", f"{OLD}/update", **sent)
        assert one == seen | {"progress": 1}
        sent["key"] = server.shares[1]
        made = await server.ask(200, "PUT", f"{OLD}/update", **sent)
        assert made == one | {
            "progress": 2, "complete": True, "otp_length": 0,
            "encoded_token": made["encoded_token"], "encoded_root_token": made["encoded_token"],
        }  # fmt: skip
        assert not made["encoded_token"].endswith("=")


async def test_the_new_spelling_of_an_attempt() -> None:
    async with Sealed() as server:
        idle = {
            "complete": False, "otp": "", "otp_length": LENGTH, "progress": 0, "required": 2,
            "started": False,
        }  # fmt: skip
        assert await server.ask(200, "GET", f"{NEW}/attempt") == idle
        await server.expect(403, "POST", f"{NEW}/attempt")
        started, made = await server.generate(NEW)
        assert started == idle | {
            "nonce": started["nonce"], "started": True, "otp": started["otp"],
            "pgp_fingerprint": "",
        }  # fmt: skip
        assert made == {
            "complete": True, "encoded_token": made["encoded_token"], "nonce": started["nonce"],
            "pgp_fingerprint": "", "progress": 2, "required": 2, "started": True,
        }  # fmt: skip


async def test_what_an_attempt_refuses() -> None:
    async with Sealed() as server:
        share = server.shares[0]
        assert await server.ask(400, "PUT", f"{OLD}/update", key=share, nonce="") == [
            "no root generation in progress"
        ]
        assert await server.ask(400, "PUT", f"{OLD}/attempt", otp="abc") == [
            "OTP string has incorrect length"
        ]
        assert await server.ask(400, "PUT", f"{OLD}/attempt", pgp_key="a") == [
            "error parsing PGP key: error decoding given PGP key: illegal base64 data"
        ]
        assert await server.ask(400, "PUT", f"{OLD}/attempt", pgp_key="a", otp="b") == [
            "only one of otp and pgp_key may be given"
        ]
        nonce = (await server.ask(200, "PUT", f"{OLD}/attempt"))["nonce"]
        assert await server.ask(400, "PUT", f"{OLD}/attempt") == [
            "root generation already in progress for this namespace"
        ]
        text = f'incorrect nonce supplied; nonce for this root generation operation is "{nonce}"'
        assert await server.ask(400, "PUT", f"{OLD}/update", key=share) == [text]
        assert await server.ask(400, "POST", f"{NEW}/update", key=share, nonce="w") == [text]
        assert await server.ask(400, "PUT", f"{OLD}/update", nonce=nonce) == [
            "'key' must be specified in request body as JSON"
        ]
        assert await server.ask(400, "POST", f"{NEW}/update", nonce=nonce) == ["key is required"]
        assert await server.ask(400, "PUT", f"{OLD}/update", key="aabb", nonce=nonce) == [
            "invalid key: key is shorter than minimum 16 bytes"
        ]
        await server.ask(200, "PUT", f"{OLD}/update", key=share, nonce=nonce)
        wrong = {"key": "00" * 32 + "01", "nonce": nonce}
        assert await server.ask(400, "PUT", f"{OLD}/update", **wrong) == [
            (
                "root generation aborted: unable to authenticate: unable to retrieve stored keys: "
                "invalid key: failed to decrypt keys from storage: cipher: message authentication "
                "failed"
            )
        ]
        assert (await server.ask(200, "GET", f"{OLD}/attempt"))["progress"] == 0
        for _ in range(2):
            assert await server.ask(204, "DELETE", f"{OLD}/attempt") is None


async def test_a_token_that_another_server_hid_is_uncovered() -> None:
    hidden = "Ek9TAiQzOwcDDgsyLSsmCDskLCsXBiITUDk"  # as OpenBao 2.6.2 answered
    async with Sealed() as server:
        body = {"encoded_token": hidden, "otp": "a" * 26}
        found = (await server.expect(200, "PUT", "sys/decode-token", body=body)).data
        assert found == {"token": "s.2cERZfbojSLJGiZEMJvgCr1X"}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"otp": "a"}, "provided 'encoded_token' or 'otp' is empty"),
        ({"encoded_token": "AAAA"}, "provided 'encoded_token' or 'otp' is empty"),
        ({"encoded_token": "zz$", "otp": "a"},
         "error decoding base64'd token: illegal base64 data"),
        ({"encoded_token": "AAAA", "otp": "abcdefg"},
         "error xoring token: length of byte slices is not equivalent: 3 != 7"),
    ],
)  # fmt: skip
async def test_what_cannot_be_uncovered(body: dict[str, str], text: str) -> None:
    async with Sealed() as server:
        assert (await server.expect(400, "PUT", "sys/decode-token", body=body)).errors == [text]


async def test_a_token_whose_answer_cannot_be_recorded_is_revoked() -> None:
    server, recorder = Sealed(), ActingRecorder()
    server.recorder = recorder
    async with server:
        root = server.root_token
        before = await server.expect(200, "LIST", "auth/token/accessors", token=root)
        started = await server.ask(200, "PUT", f"{OLD}/attempt")
        sent = {"nonce": started["nonce"]}
        await server.ask(200, "PUT", f"{OLD}/update", key=server.shares[0], **sent)
        recorder.refuses = lambda record: record["type"] == "response"
        refused = await server.ask(500, "PUT", f"{OLD}/update", key=server.shares[1], **sent)
        assert refused == ["committed but not recorded"]
        recorder.refuses = lambda _record: False
        after = await server.expect(200, "LIST", "auth/token/accessors", token=root)
        assert sorted(after.data["keys"]) == sorted(before.data["keys"])
