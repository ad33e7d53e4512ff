"""Calls between processes: answers find their calls, failures keep their class and say no more."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from custody.base.errors import BadRequest, CustodyError, Sealed, Unavailable
from custody.seals.quorum import InvalidKey
from custody.serve import messages as m
from custody.serve.channel import Channel, open_channel

Handler = Callable[[m.Call], Awaitable[m.Result]]


async def _nothing(call: m.Call) -> m.Result:
    del call
    return m.Done()


async def _pair(ours: Handler, theirs: Handler) -> tuple[Channel, Channel]:
    left, right = socket.socketpair()
    return await open_channel(left, ours), await open_channel(right, theirs)


def _exchange(theirs: Handler, call: m.Call) -> m.Result:
    async def main() -> m.Result:
        one, other = await _pair(_nothing, theirs)
        readers = [asyncio.create_task(end.run()) for end in (one, other)]
        try:
            return await one.call(call)
        finally:
            one.close()
            await asyncio.gather(*readers)

    return asyncio.run(main())


def test_answers_find_their_calls_whatever_their_order() -> None:
    async def echo(call: m.Call) -> m.Result:
        assert isinstance(call, m.Hello)
        await asyncio.sleep(0.002 * (5 - call.slot))
        return m.Status(sealed=True, progress=call.slot, nonce="")

    async def main() -> list[m.Result]:
        one, other = await _pair(_nothing, echo)
        readers = [asyncio.create_task(end.run()) for end in (one, other)]
        answers = await asyncio.gather(*(one.call(m.Hello("worker", n)) for n in range(5)))
        one.close()
        await asyncio.gather(*readers)
        return answers

    progress = [answer.progress for answer in asyncio.run(main()) if isinstance(answer, m.Status)]
    assert progress == [0, 1, 2, 3, 4]


def test_a_large_message_with_keys_as_bytes_arrives_whole() -> None:
    rows = [(bytes([number]) * 32, b"\xff\x00" * 5000) for number in range(200)]

    async def made(call: m.Call) -> m.Result:
        del call
        return m.Made(rows=rows, shares=[b"\x80" * 33], root_token="t")

    answer = _exchange(made, m.Initialise(1, 1))
    assert answer == m.Made(rows=rows, shares=[b"\x80" * 33], root_token="t")


@pytest.mark.parametrize(
    ("raised", "arrives"),
    [
        (BadRequest("one", "two"), BadRequest("one", "two")),
        (InvalidKey("no"), BadRequest("no")),
        (Sealed(), Sealed("Vault is sealed")),
        (Unavailable("later"), Unavailable("later")),
    ],
)
def test_an_error_arrives_as_the_class_of_the_tree_that_it_is(
    raised: CustodyError, arrives: CustodyError
) -> None:
    async def fail(_: m.Call) -> m.Result:
        raise raised

    with pytest.raises(CustodyError) as caught:
        _exchange(fail, m.GetStatus())
    assert type(caught.value) is type(arrives)
    assert caught.value.messages == arrives.messages


def test_a_defect_arrives_as_unavailable_and_says_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(_: m.Call) -> m.Result:
        raise ValueError("planted-secret")

    with pytest.raises(Unavailable) as caught:
        _exchange(fail, m.GetStatus())
    assert "planted-secret" not in str(caught.value)
    assert "ValueError" in caplog.text
    assert "planted-secret" not in caplog.text


def test_a_hang_up_fails_the_calls_that_wait_and_those_that_come_later() -> None:
    async def main() -> None:
        left, right = socket.socketpair()
        channel = await open_channel(left, _nothing)
        reading = asyncio.create_task(channel.run())
        call = asyncio.create_task(channel.call(m.GetStatus()))
        await asyncio.sleep(0)
        right.close()
        await reading
        with pytest.raises(Unavailable):
            await call
        with pytest.raises(Unavailable):
            await channel.call(m.GetStatus())

    asyncio.run(main())


@pytest.mark.parametrize(
    "data", [b"\x00\x00\x00\x03abc", b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc1"]
)
def test_what_is_no_message_ends_the_connection(data: bytes) -> None:
    async def main() -> None:
        left, right = socket.socketpair()
        channel = await open_channel(left, _nothing)
        right.sendall(data)
        await asyncio.wait_for(channel.run(), 5)
        right.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "message",
    [
        m.Unseal(b"planted", [(b"k", b"planted")]),
        m.TakeKeyring(b"planted"),
        m.Welcome(b"planted"),
        m.Made([(b"k", b"planted")], [b"planted"], "planted"),
    ],
)
def test_a_message_shows_nothing_of_what_it_carries(message: m.Call | m.Result) -> None:
    assert "planted" not in repr(m.Frame(1, message))
    assert type(message).__name__ in repr(message)
