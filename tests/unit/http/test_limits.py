import asyncio
from collections.abc import MutableMapping, Sequence
from typing import Any

import pytest

from custody.base.errors import BadRequest, RequestTimeout, TooLarge
from custody.http.deadlines import Deadlines
from custody.http.limits import SMALL_BODY_BYTES, UPLOAD_RATE, Disconnected, Upload, read_body

LIMIT = 10_000


class Client:
    """Sends chunks; then says that it left, or nothing more."""

    def __init__(
        self, chunks: Sequence[bytes], *, whole: bool = True, silent: bool = False
    ) -> None:
        self._chunks = list(chunks)
        self._whole = whole
        self._silent = silent
        self.taken = 0

    async def receive(self) -> MutableMapping[str, Any]:
        if not self._chunks:
            if self._silent:
                await asyncio.Event().wait()
            return {"type": "http.disconnect"}
        self.taken += 1
        chunk = self._chunks.pop(0)
        more = bool(self._chunks) or not self._whole
        return {"type": "http.request", "body": chunk, "more_body": more}


def read(client: Client, declared: int | None, seconds: float = 5) -> bytes:
    return asyncio.run(read_body(client.receive, declared, lambda: LIMIT, Deadlines(seconds)))


def test_a_body_is_its_chunks() -> None:
    assert read(Client([b"ab", b"", b"c"]), None) == b"abc"
    assert read(Client([b"abc"]), 3) == b"abc"
    assert read(Client([b"x" * LIMIT]), None) == b"x" * LIMIT


def test_an_empty_body_is_not_waited_for() -> None:
    client = Client([], silent=True)
    assert read(client, 0) == b""
    assert client.taken == 0


def test_a_declared_length_over_the_limit_is_refused_before_reading() -> None:
    client = Client([b"x"] * 5)
    with pytest.raises(TooLarge) as refused:
        read(client, LIMIT + 1)
    assert refused.value.listed == ("http: request body too large",)
    assert client.taken == 0


@pytest.mark.parametrize("declared", [None, 5])
def test_a_body_is_not_read_far_over_the_limit(declared: int | None) -> None:
    client = Client([b"x" * 3000] * 100)
    with pytest.raises(TooLarge):
        read(client, declared)
    assert client.taken == 4


def test_a_last_chunk_over_the_limit_is_refused_too() -> None:
    with pytest.raises(TooLarge):
        read(Client([b"x" * LIMIT, b"x"]), None)
    with pytest.raises(TooLarge):
        read(Client([b"x" * (LIMIT + 1)]), None)


def test_nobody_is_asked_about_a_small_body() -> None:
    def limit() -> int:
        raise AssertionError

    client = Client([b"x" * SMALL_BODY_BYTES])
    body = asyncio.run(read_body(client.receive, SMALL_BODY_BYTES, limit, Deadlines(5)))
    assert len(body) == SMALL_BODY_BYTES


def test_the_limit_is_asked_for_once() -> None:
    asked = 0

    def limit() -> int:
        nonlocal asked
        asked += 1
        return LIMIT

    client = Client([b"x" * 3000] * 3)
    asyncio.run(read_body(client.receive, 9000, limit, Deadlines(5)))
    assert asked == 1


@pytest.mark.parametrize("chunks", [[], [b"{}"], [b'{"a":1}', b" "]])
def test_a_client_that_leaves_before_the_last_chunk_has_asked_for_nothing(
    chunks: list[bytes],
) -> None:
    with pytest.raises(Disconnected):
        read(Client(chunks, whole=False), None)


def test_a_body_has_a_deadline() -> None:
    with pytest.raises(RequestTimeout):
        read(Client([b"{"], whole=False, silent=True), 100, 0.01)


def test_a_trickle_does_not_move_the_deadline() -> None:
    class Trickle(Client):
        async def receive(self) -> MutableMapping[str, Any]:
            await asyncio.sleep(0.01)
            return {"type": "http.request", "body": b" ", "more_body": True}

    with pytest.raises(RequestTimeout):
        read(Trickle([]), None, 0.05)


def uploaded(client: Client, seconds: float) -> bytes:
    async def read_all() -> bytes:
        return b"".join([chunk async for chunk in Upload(client.receive, seconds)])

    return asyncio.run(read_all())


class Dripping(Client):
    """Sends a chunk after each pause."""

    def __init__(self, chunks: Sequence[bytes], pause: float) -> None:
        super().__init__(chunks)
        self._pause = pause

    async def receive(self) -> MutableMapping[str, Any]:
        await asyncio.sleep(self._pause)
        return await super().receive()


def test_an_upload_is_its_chunks() -> None:
    assert uploaded(Client([b"ab", b"", b"c"]), 5) == b"abc"


def test_an_upload_that_ends_early_or_is_silent_is_refused() -> None:
    with pytest.raises(BadRequest, match="before its body was whole"):
        uploaded(Client([b"ab"], whole=False), 5)
    with pytest.raises(RequestTimeout):
        uploaded(Client([b"ab"], whole=False, silent=True), 0.05)


def test_an_upload_by_drops_ends_though_no_drop_is_late() -> None:
    drops = Dripping([b"x"] * 1000, 0.01)
    with pytest.raises(RequestTimeout):
        uploaded(drops, 0.1)
    assert drops.taken < 20


def test_an_upload_that_is_fast_enough_may_take_long() -> None:
    chunk = bytes(UPLOAD_RATE // 20)  # worth 0.05 seconds
    assert len(uploaded(Dripping([chunk] * 20, 0.01), 0.1)) == 20 * len(chunk)
