"""`sys/tools`: random bytes and digests."""

import base64

import pytest

from custody.testing.server import MemoryServer

TEST = "dGVzdA=="  # test


@pytest.mark.parametrize(
    ("path", "body", "total"),
    [
        ("random", {}, 32),
        ("random/16", {}, 16),
        ("random/platform", {"bytes": 3}, 3),
        ("random/platform/16", {"bytes": 3}, 16),
        ("random/all/131072", {}, 131_072),
    ],
)
async def test_random_bytes(path: str, body: dict[str, object], total: int) -> None:
    async with MemoryServer() as server:
        root = server.root_token
        made = await server.expect(200, "POST", f"sys/tools/{path}", token=root, body=body)
        again = await server.expect(200, "POST", f"sys/tools/{path}", token=root, body=body)
        assert len(base64.b64decode(made.data["random_bytes"])) == total
        assert made.data != again.data


async def test_random_bytes_in_hex_and_of_the_seal() -> None:
    async with MemoryServer() as server:
        path, body = "sys/tools/random/seal/4", {"format": "hex"}
        made = await server.expect(200, "POST", path, token=server.root_token, body=body)
        assert len(bytes.fromhex(made.data["random_bytes"])) == 4
        assert made.warnings == [
            "no seal/entropy augmentation available, using platform entropy source"
        ]


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("random", {"bytes": 0}, "'bytes' cannot be less than 1"),
        ("random", {"bytes": 131_073}, "'bytes' should be less than 131072"),
        ("random", {"format": "x"},
         'unsupported encoding format "x"; must be "hex" or "base64"'),
        ("random/bogus/3", {},
         'unsupported entropy source "bogus"; must be "platform" or "seal", or "all"'),
        ("random/bogus", {}, "error parsing url-set byte count: 'bogus' is no number"),
        ("hash/md5", {"input": TEST}, "unsupported algorithm md5"),
        ("hash", {"input": TEST, "format": "x"},
         'unsupported encoding format x; must be "hex" or "base64"'),
    ],
)  # fmt: skip
async def test_what_cannot_be_had_says_why(path: str, body: dict[str, object], text: str) -> None:
    async with MemoryServer() as server:
        root = server.root_token
        answer = await server.expect(400, "POST", f"sys/tools/{path}", token=root, body=body)
        assert answer.errors == [text]


async def test_what_is_not_base64_is_not_digested() -> None:
    async with MemoryServer() as server:
        body = {"input": "%%%"}
        answer = await server.expect(
            400, "POST", "sys/tools/hash", token=server.root_token, body=body
        )
        assert answer.errors[0].startswith("unable to decode input as base64: ")


async def test_digests() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
        body = {"input": TEST}
        found = await server.expect(200, "POST", "sys/tools/hash", token=root, body=body)
        assert found.data == {"sum": sha256}
        body = {"input": TEST, "algorithm": "sha2-512", "format": "base64"}
        found = await server.expect(200, "POST", "sys/tools/hash/sha3-512", token=root, body=body)
        assert found.data["sum"].startswith("ns4IbpusSR+sXB0QRsoR1ze5KisuvZPwBde3EBEMCmeCiBZu")


async def test_every_token_may_have_data_digested() -> None:
    async with MemoryServer() as server:
        token = await server.token()
        await server.expect(200, "POST", "sys/tools/hash", token=token, body={"input": TEST})
