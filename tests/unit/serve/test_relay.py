"""A relay: whose requests it says they are, and how its connections begin and end."""

import asyncio
import contextlib
import errno
import functools
import logging
import os
import resource
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import uvloop

from custody.serve.idle import hang_up
from custody.serve.listeners import Serving, bind
from custody.serve.relay import DESCRIPTORS, Relay
from custody.serve.settings import Listener, ProxyProtocol

HEADER = b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 8200\r\n"
ALWAYS = ProxyProtocol("use_always")
THIS, OTHER = ["127.0.0.0/8"], ["10.0.0.0/8"]


@dataclass
class Scene:
    """A relay on a free port, and a server behind it that is played by the test."""

    relay: Relay
    port: int

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As a client."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def accept(self) -> socket.socket:
        """The server's end of the next connection that the relay opens."""
        loop = asyncio.get_running_loop()
        one, _ = await asyncio.wait_for(loop.sock_accept(self.relay.inner), 10)
        return one

    def whose(self, end: socket.socket) -> tuple[str, int] | None:
        """Who is behind a connection of the relay's, as the application is told."""
        return self.relay.clients.get(end.getpeername())


async def received(end: socket.socket, count: int) -> bytes:
    loop, data = asyncio.get_running_loop(), b""
    while len(data) < count and (chunk := await asyncio.wait_for(loop.sock_recv(end, count), 10)):
        data += chunk
    return data


async def begun(one: Scene) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, socket.socket]:
    """A client whose first bytes have reached the server, and the server's end."""
    reader, writer = await one.connect()
    writer.write(b"GET")
    end = await one.accept()
    assert await received(end, 3) == b"GET"
    return reader, writer, end


@contextlib.asynccontextmanager
async def scene(
    proxies: ProxyProtocol = ALWAYS, limit: int = 100, seconds: float = 10.0
) -> AsyncIterator[Scene]:
    with bind(Listener("127.0.0.1", 0)) as listening:
        relay = Relay(listening.fileno(), proxies, limit, header_seconds=seconds)
        relay.accept()
        try:
            yield Scene(relay, listening.getsockname()[1])
        finally:
            await relay.end()


def play(acts: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(acts(), 30))


@pytest.mark.parametrize(
    ("proxies", "header", "client"),
    [
        (ALWAYS, HEADER, "203.0.113.7"),
        (ALWAYS, b"", "127.0.0.1"),
        (ALWAYS, b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (ProxyProtocol("allow_authorized", THIS), HEADER, "203.0.113.7"),
        (ProxyProtocol("allow_authorized", THIS), b"", "127.0.0.1"),
        (ProxyProtocol("allow_authorized", OTHER), HEADER, "127.0.0.1"),
        (ProxyProtocol("allow_authorized", OTHER), b"", "127.0.0.1"),
        (ProxyProtocol("deny_unauthorized", THIS), HEADER, "203.0.113.7"),
        (ProxyProtocol("deny_unauthorized", THIS), b"", "127.0.0.1"),
    ],
)
def test_who_is_believed_names_the_client_and_the_header_goes_no_further(
    proxies: ProxyProtocol, header: bytes, client: str
) -> None:
    async def acts() -> None:
        async with scene(proxies) as one:
            _, writer = await one.connect()
            writer.write(header + b"GET / HTTP/1.1\r\n")
            with await one.accept() as end:
                assert await received(end, 16) == b"GET / HTTP/1.1\r\n"
                address = one.whose(end)
                assert address is not None
                assert address[0] == client
                assert client == "127.0.0.1" or address[1] == 4711
            writer.close()

    play(acts)


def test_who_is_not_authorized_is_hung_up_on_at_once() -> None:
    async def acts() -> None:
        async with scene(ProxyProtocol("deny_unauthorized", OTHER)) as one:
            reader, writer = await one.connect()
            assert await reader.read() == b""
            writer.close()

    play(acts)


@pytest.mark.parametrize("sent", [b"PROXY nonsense\r\n", b"\r\n\r\n\0\r\nQUIT\n\x99" + bytes(9)])
def test_what_is_no_header_is_hung_up_on(sent: bytes) -> None:
    async def acts() -> None:
        async with scene() as one:
            reader, writer = await one.connect()
            writer.write(sent)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
            assert one.relay.clients == {}

    play(acts)


def test_half_a_header_is_waited_for_so_long_and_no_longer() -> None:
    async def acts() -> None:
        async with scene(seconds=0.2) as one:
            reader, writer = await one.connect()
            for byte in HEADER[:5]:  # each byte is in time, all of them are not
                writer.write(bytes([byte]))
                await asyncio.sleep(0.03)
            started = time.monotonic()
            assert await asyncio.wait_for(reader.read(), 5) == b""
            assert time.monotonic() - started < 2
            writer.close()

    play(acts)


def test_a_header_with_all_that_may_follow_its_addresses_is_skipped_whole() -> None:
    async def acts() -> None:
        async with scene() as one:
            _, writer = await one.connect()
            body = bytes([203, 0, 113, 7, 10, 0, 0, 1, 0, 1, 0, 2]) + bytes(60_000)
            start = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + len(body).to_bytes(2, "big")
            writer.write(start + body + b"hello")
            with await one.accept() as end:
                assert await received(end, 5) == b"hello"
                assert one.whose(end) == ("203.0.113.7", 1)
            writer.close()

    play(acts)


def test_a_client_that_has_said_all_still_gets_its_answer() -> None:
    async def acts() -> None:
        async with scene() as one:
            reader, writer = await one.connect()
            writer.write(HEADER + b"ask")
            writer.write_eof()
            with await one.accept() as end:
                assert await received(end, 10) == b"ask"  # and then the end
                await asyncio.get_running_loop().sock_sendall(end, b"answer")
            assert await reader.read() == b"answer"
            writer.close()

    play(acts)


def test_a_client_that_does_not_read_makes_the_server_wait() -> None:
    async def acts() -> None:
        async with scene() as one:
            reader, writer = await one.connect()
            writer.write(HEADER + b"x")
            with await one.accept() as end:
                end.setblocking(False)  # noqa: FBT003 positional only
                whole = 64 * 1024 * 1024
                giving = asyncio.ensure_future(
                    asyncio.get_running_loop().sock_sendall(end, bytes(whole))
                )
                reader._transport.pause_reading()  # type: ignore[attr-defined]  # noqa: SLF001 its limit would do it later
                await asyncio.sleep(0.5)
                assert not giving.done()
                reader._transport.resume_reading()  # type: ignore[attr-defined]  # noqa: SLF001 as above
                left = whole
                while left:
                    left -= len(await reader.read(1 << 20))
                await giving
            writer.close()

    play(acts)


def test_when_either_side_goes_both_are_gone_and_nobody_is_named_any_more() -> None:
    async def acts() -> None:
        async with scene() as one:
            for leaves in ("client", "server"):
                reader, writer = await one.connect()
                writer.write(HEADER + b"x")
                end = await one.accept()
                assert one.whose(end) is not None
                if leaves == "client":
                    writer.transport.abort()
                    assert await received(end, 2) == b"x"
                end.close()
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
                writer.close()
                while one.relay.clients:  # noqa: ASYNC110 nothing tells of it
                    await asyncio.sleep(0.01)

    play(acts)


def test_no_two_connections_come_from_the_same_address() -> None:
    async def acts() -> None:
        async with scene() as one:
            places = set()
            for _ in range(20):
                _, writer = await one.connect()
                writer.write(b"GET")
                with await one.accept() as end:
                    places.add(end.getpeername()[0])
                writer.close()
            assert len(places) == 20

    play(acts)


def test_over_the_limit_connections_wait_for_others_to_go() -> None:
    async def acts() -> None:
        async with scene(limit=6) as one:
            _, first = await one.connect()
            _, second = await one.connect()
            for writer in (first, second):
                writer.write(b"GET")
            ends = [await one.accept(), await one.accept()]
            reader, third = await one.connect()
            third.write(b"GET")
            await asyncio.sleep(0.3)
            assert len(one.relay.clients) == 2
            first.close()
            for end in ends:
                end.close()
            with await one.accept() as end:
                assert await received(end, 3) == b"GET"
            assert await reader.read() == b""
            for writer in (second, third):
                writer.close()

    play(acts)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_when_room_is_made_who_spoke_last_stays_however_close_the_others_were(
    run: Callable[..., None],
) -> None:
    async def acts() -> None:
        async with scene() as one:
            clients = [await one.connect() for _ in range(20)]
            ends = []
            for _, writer in clients:
                writer.write(b"GET")
                ends.append(await one.accept())
            reader, last = clients.pop(7)
            last.write(b"x")
            end = ends.pop(7)
            assert await received(end, 4) == b"GETx"
            assert await asyncio.to_thread(hang_up, {}, DESCRIPTORS, one.relay.held) == 19
            for gone, writer in clients:
                with contextlib.suppress(ConnectionError):
                    assert await gone.read() == b""
                writer.close()
            await asyncio.get_running_loop().sock_sendall(end, b"HTTP")
            assert await reader.readexactly(4) == b"HTTP"
            for each in (end, *ends):
                each.close()
            last.close()

    run(asyncio.wait_for(acts(), 30))


def test_who_speaks_once_it_was_chosen_to_go_stays() -> None:
    async def acts() -> None:
        async with scene() as one:
            reader, writer, end = await begun(one)
            with end:
                (chosen,) = one.relay.held()
                writer.write(b"x")
                assert await received(end, 1) == b"x"
                assert chosen.hang_up()
                await asyncio.sleep(0.05)
                end.send(b"HTTP")
                assert await reader.readexactly(4) == b"HTTP"
            writer.close()

    play(acts)


def test_who_is_answered_has_spoken_too() -> None:
    async def acts() -> None:
        async with scene() as one:
            reader, writer, end = await begun(one)
            with end:
                await asyncio.sleep(0.3)
                (quiet,) = one.relay.held()
                assert time.monotonic() - quiet.since > 0.25
                end.send(b"HTTP")
                assert await reader.readexactly(4) == b"HTTP"
                (answered,) = one.relay.held()
                assert answered.since > quiet.since + 0.25
            writer.close()

    play(acts)


def test_a_connection_holds_more_once_it_is_passed_on_and_nothing_once_it_has_gone() -> None:
    async def acts() -> None:
        async with scene() as one:
            _, writer = await one.connect()
            while not (held := one.relay.held()):  # noqa: ASYNC110 the kernel sets no event
                await asyncio.sleep(0.01)
            assert [line.cost for line in held] == [1]
            writer.write(b"GET")
            with await one.accept():
                (line,) = one.relay.held()
                assert line.cost == DESCRIPTORS
                assert line.hang_up()
                while one.relay.held():  # noqa: ASYNC110 the kernel sets no event
                    await asyncio.sleep(0.01)
            assert one.relay.clients == {}
            assert not line.hang_up()
            writer.close()

    play(acts)


@contextlib.contextmanager
def no_descriptor_left() -> Iterator[None]:
    """This process can open nothing meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_where_no_descriptor_is_left_a_connection_waits_for_one() -> None:
    async def acts() -> None:
        async with scene() as one:
            _, writer = await one.connect()
            writer.write(HEADER[:-1])
            await asyncio.sleep(0.1)  # it is accepted, and its header is being read
            with no_descriptor_left():
                writer.write(HEADER[-1:] + b"GET")
                await asyncio.sleep(0.3)
                assert one.relay.clients == {}
            with await one.accept() as end:
                assert await received(end, 3) == b"GET"
                assert one.whose(end) == ("203.0.113.7", 4711)
            writer.close()
            _, writer = await one.connect()
            writer.write(b"GET")
            with await one.accept() as end:
                assert await received(end, 3) == b"GET"
            writer.close()

    play(acts)


class GivingUp(asyncio.SelectorEventLoop):
    """A loop on which the kernel gives connections up: those that are read, or those opened."""

    def __init__(self, call: str) -> None:
        super().__init__()
        self._call = call

    def _give_up(self, call: str) -> None:
        if call == self._call:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

    async def sock_recv(self, sock: socket.socket, nbytes: int) -> bytes:
        """What has come, if reading is not what fails."""
        self._give_up("recv")
        return await super().sock_recv(sock, nbytes)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect, if that is not what fails."""
        self._give_up("connect")
        await super().sock_connect(sock, address)


@pytest.mark.parametrize("call", ["recv", "connect"])
def test_a_connection_that_the_kernel_gives_up_is_not_said_to_have_sent_no_header(
    call: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def acts() -> None:
        async with scene() as one:
            client = socket.create_connection(("127.0.0.1", one.port))
            reader, writer = await asyncio.open_connection(sock=client)
            writer.write(b"GET")
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 10) == b""
            writer.close()

    with (
        caplog.at_level(logging.DEBUG),
        asyncio.Runner(loop_factory=functools.partial(GivingUp, call)) as runner,
    ):
        runner.run(acts())
    assert "lost a connection of 127.0.0.1: Connection timed out" in caplog.text
    assert "no header" not in caplog.text


class Waiting:
    """An application that answers when it is let."""

    def __init__(self) -> None:
        self.asked, self.let = asyncio.Event(), asyncio.Event()
        self.answered = asyncio.Event()

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        self.asked.set()
        await self.let.wait()
        size = (b"content-length", b"1000000")
        await send({"type": "http.response.start", "status": 200, "headers": [size]})
        await send({"type": "http.response.body", "body": bytes(1_000_000)})
        self.answered.set()


def test_a_stop_lets_the_answer_to_what_is_in_flight_leave_whole() -> None:
    async def acts() -> None:
        async with scene() as one:
            app = Waiting()
            serving = Serving(Listener("127.0.0.1", 0), one.relay.inner.fileno(), app, 100)
            reader, writer = await one.connect()
            writer.write(HEADER + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await app.asked.wait()
            one.relay.accept_nobody()
            stopping = asyncio.create_task(serving.stop())
            await asyncio.sleep(0.1)
            app.let.set()
            whole = asyncio.create_task(reader.read())
            await stopping
            await app.answered.wait()
            await one.relay.end()
            assert len(await whole) > 1_000_000
            writer.close()

    play(acts)
