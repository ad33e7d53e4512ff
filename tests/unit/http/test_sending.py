"""A body that is not in memory: sent at the client's pace, and closed whatever happens."""

import asyncio
import io
from typing import Any

import pytest

from custody.http.sending import Pieces, send_body


class Client:
    """Takes what it is sent; stays, or leaves after so many messages."""

    def __init__(self, leaves_after: int | None = None) -> None:
        self.taken: list[Any] = []
        self._leaves_after = leaves_after
        self._left = asyncio.Event()

    async def receive(self) -> Any:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.taken.append(message)
        if len(self.taken) == self._leaves_after:
            self._left.set()
        await asyncio.sleep(0)

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.taken)

    @property
    def whole(self) -> bool:
        """Whether the last message said that it is the last."""
        return not self.taken[-1].get("more_body")


class Told(io.BytesIO):
    """A file whose end cannot be read."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            raise OSError(5, "Input/output error")
        return super().read(size)


def sent(body: Any, leaves_after: int | None = None) -> Client:
    async def scene() -> Client:
        client = Client(leaves_after)
        await asyncio.wait_for(send_body(body, client.receive, client.send), 10)
        return client

    return asyncio.run(scene())


def test_a_file_is_sent_whole_in_pieces_and_closed() -> None:
    file = io.BytesIO(bytes(1_000_000))
    client = sent(file)
    assert client.body == bytes(1_000_000)
    assert client.whole
    assert max(len(message["body"]) for message in client.taken) <= 256 * 1024
    assert file.closed


def test_nothing_more_is_read_once_the_client_has_left() -> None:
    file = io.BytesIO(bytes(100_000_000))
    client = sent(file, leaves_after=3)
    assert len(client.body) < 3_000_000
    assert not client.whole
    assert file.closed


def test_the_head_leaves_before_the_first_piece_is_made_and_pieces_end_with_the_client() -> None:
    ended = []

    async def pieces() -> Pieces:
        try:
            await asyncio.Event().wait()
            yield b""
        finally:
            ended.append(True)

    client = sent(pieces(), leaves_after=1)
    assert client.body == b""
    assert ended == [True]


def test_an_answer_whose_end_cannot_be_read_has_no_end(caplog: pytest.LogCaptureFixture) -> None:
    file = Told(bytes(1_000_000))
    client = sent(file)
    assert len(client.body) == 256 * 1024
    assert not client.whole
    assert file.closed
    assert "cannot read what is sent: Input/output error" in caplog.text
