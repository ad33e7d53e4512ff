"""The transit seal against a small real server: what it asks, what it refuses, what it says."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import self_signed

from custody.base.ids import SystemSource
from custody.base.json_client import JSONAnswer, JSONClient, NoAnswer, TLSFiles
from custody.base.secret import Secret
from custody.seals.seal import CannotUnseal, SealUnavailable
from custody.seals.transit import TransitKey, TransitSeal
from custody.seals.wrapping import Purpose
from custody.testing.transit import Reply, TransitServer

INNER = bytes(range(32))
VECTOR = json.loads((Path(__file__).parents[2] / "vectors" / "transit-seal.json").read_text())


class Counting:
    """Known bytes in place of randomness."""

    def random(self, size: int) -> bytes:
        """0, 1, 2 …"""
        return bytes(range(size))


class Canned(JSONClient):
    """A client whose server answers what a vector says."""

    def __init__(self, data: dict[str, str]) -> None:
        super().__init__("http://127.0.0.1:1", TLSFiles(), 1.0)
        self._data = data

    async def send(
        self, method: str, path: str, headers: Mapping[str, str], body: object = None
    ) -> JSONAnswer:
        """What it was given."""
        del method, path, headers, body
        return JSONAnswer(200, {"data": self._data})


def seal_at(server: TransitServer, token: str = "", tls: TLSFiles | None = None) -> TransitSeal:
    """A seal by the key `unseal` of that server."""
    key = TransitKey(server.address, "transit", "unseal", Secret(token or server.token))
    client = JSONClient(server.address, tls or TLSFiles(), 2.0)
    return TransitSeal(key, client, SystemSource())


async def test_what_was_wrapped_opens_while_the_server_has_the_key() -> None:
    with TransitServer() as server:
        server.make_key("unseal")
        seal = seal_at(server)
        blob = await seal.wrap(INNER, Purpose.ROOT_KEY)
        assert INNER not in blob
        assert await seal.unwrap(blob, Purpose.ROOT_KEY) == INNER
        with pytest.raises(CannotUnseal):
            await seal.unwrap(blob, Purpose.RECOVERY_KEY)
        assert server.requests[:2] == ["PUT transit/encrypt/unseal", "PUT transit/decrypt/unseal"]
        server.make_key("unseal")
        with pytest.raises(CannotUnseal, match="refuses the key or the ciphertext"):
            await seal.unwrap(blob, Purpose.ROOT_KEY)
        server.destroy_key("unseal")
        with pytest.raises(CannotUnseal):
            await seal.unwrap(blob, Purpose.ROOT_KEY)


async def test_the_other_server_never_sees_what_is_kept() -> None:
    seen: list[bytes] = []

    class Curious(TransitServer):
        """Keeps what it is sent."""

        def answer(self, method: str, path: str, token: str, body: Mapping[str, Any]) -> Reply:
            """As the other, after a look."""
            seen.append(json.dumps(body).encode())
            return super().answer(method, path, token, body)

    with Curious() as server:
        server.make_key("unseal")
        await seal_at(server).wrap(b"R" * 32, Purpose.ROOT_KEY)
    assert seen
    assert b"UlJS" not in b"".join(seen)  # RRR in base64


async def test_a_blob_whose_ciphertext_is_anothers_opens_nothing() -> None:
    with TransitServer() as server:
        server.make_key("unseal")
        seal = seal_at(server)
        one, other = [await seal.wrap(INNER, Purpose.ROOT_KEY) for _ in range(2)]
        end = 3 + int.from_bytes(one[1:3], "big")
        with pytest.raises(CannotUnseal):
            await seal.unwrap(other[:end] + one[end:], Purpose.ROOT_KEY)
        for bad in (b"", b"\x02" + one[1:], b"\x01\xff\xff", b"\x01\x00\x01\xff"):
            with pytest.raises(CannotUnseal):
                await seal.unwrap(bad, Purpose.ROOT_KEY)


async def test_a_server_that_cannot_answer_may_answer_later() -> None:
    with TransitServer() as server:
        server.make_key("unseal")
        seal = seal_at(server)
        server.out_of_order = True
        with pytest.raises(SealUnavailable, match="the transit server answered 503"):
            await seal.wrap(INNER, Purpose.ROOT_KEY)
        server.out_of_order = False
        await seal.wrap(INNER, Purpose.ROOT_KEY)
    with pytest.raises(SealUnavailable, match="cannot be reached") as caught:
        await seal.wrap(INNER, Purpose.ROOT_KEY)
    assert caught.value.messages[0] == "the transit server cannot be reached"
    assert server.address in caught.value.messages[1]


async def test_a_wrong_token_is_told_without_showing_it() -> None:
    with TransitServer() as server:
        server.make_key("unseal")
        seal = seal_at(server, "the-wrong-token")
        with pytest.raises(SealUnavailable) as caught:
            await seal.wrap(INNER, Purpose.ROOT_KEY)
        assert caught.value.messages == ("the transit server answered 403",)
        assert "the-wrong-token" not in f"{seal!r} {seal._key!r}"  # noqa: SLF001


async def test_a_standby_that_names_the_active_server_is_followed() -> None:
    with TransitServer() as active, TransitServer() as standby:
        active.make_key("unseal")
        standby.redirects = active.address
        seal = seal_at(standby, active.token)
        blob = await seal.wrap(INNER, Purpose.ROOT_KEY)
        assert await seal.unwrap(blob, Purpose.ROOT_KEY) == INNER


@pytest.mark.parametrize(("ttl", "wait", "renewals"), [(0, 3600.0, 0), (90, 60.0, 1), (1, 1.0, 1)])
async def test_a_token_that_expires_is_renewed_at_two_thirds_of_its_life(
    ttl: int, wait: float, renewals: int
) -> None:
    with TransitServer() as server:
        server.token_ttl = ttl
        assert await seal_at(server).keep() == pytest.approx(wait)
        assert server.renewals == renewals


async def test_over_tls_the_server_must_prove_its_name(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    with TransitServer(certificate, tmp_path / "key.pem") as server:
        server.make_key("unseal")
        for tls in (
            TLSFiles(ca_file=str(certificate)),
            TLSFiles(ca_file=str(certificate), server_name="vault.test"),
            TLSFiles(skip_verify=True),
        ):
            await seal_at(server, tls=tls).wrap(INNER, Purpose.ROOT_KEY)
        for wrong in (
            TLSFiles(), TLSFiles(ca_file=str(certificate), server_name="other.test")
        ):  # fmt: skip
            with pytest.raises(SealUnavailable, match="cannot be reached") as caught:
                await seal_at(server, tls=wrong).wrap(INNER, Purpose.ROOT_KEY)
            assert "its certificate is not trusted" in caught.value.messages[1]


@pytest.mark.parametrize("address", ["", "127.0.0.1:8200", "ftp://here", "https://"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="https://HOST:PORT"):
        JSONClient(address, TLSFiles(), 1.0)


def test_an_address_holds_no_password() -> None:
    with pytest.raises(ValueError, match="no name and no password") as caught:
        JSONClient("https://user:secret@127.0.0.1:1", TLSFiles(), 1.0)
    assert "secret" not in str(caught.value)


async def test_an_answer_that_is_no_json_is_none() -> None:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        client = JSONClient(f"http://127.0.0.1:{port}", TLSFiles(), 2.0)
        with pytest.raises(NoAnswer, match="its answer is not JSON"):
            await client.send("GET", "v1/sys/health", {})


async def test_the_bytes_of_the_wrapping_are_pinned() -> None:
    key = TransitKey("http://127.0.0.1:1", "transit", "unseal", Secret(""))
    wrapped = bytes.fromhex(VECTOR["wrapped"])
    made = TransitSeal(key, Canned({"ciphertext": VECTOR["ciphertext"]}), Counting())
    assert await made.wrap(INNER, Purpose.ROOT_KEY) == wrapped
    opening = TransitSeal(key, Canned({"plaintext": VECTOR["plaintext"]}), Counting())
    assert await opening.unwrap(wrapped, Purpose.ROOT_KEY) == INNER
