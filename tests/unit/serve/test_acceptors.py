"""One acceptor takes over from another on the same socket."""

import asyncio
import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.certificates import self_signed

from custody.serve.acceptors import Acceptors
from custody.serve.idle import descriptors
from custody.serve.listeners import App, BadListener, Serving, bind
from custody.serve.settings import TLS, Listener, ProxyProtocol
from custody.testing.server import MemoryServer

LISTENER = Listener("127.0.0.1", 0)


class Named:
    """An application that answers its name."""

    def __init__(self, name: str) -> None:
        self.name = name.encode()

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            length = (b"content-length", b"%d" % len(self.name))
            await send({"type": "http.response.start", "status": 200, "headers": [length]})
            await send({"type": "http.response.body", "body": self.name})


@contextmanager
def connection(port: int) -> Iterator[http.client.HTTPConnection]:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        yield link
    finally:
        link.close()


def name(link: http.client.HTTPConnection) -> str:
    link.request("GET", "/")
    return link.getresponse().read().decode()


def test_who_is_connected_stays_and_who_comes_is_served_by_the_next() -> None:
    async def scene() -> None:
        with bind(LISTENER) as listening:
            port = listening.getsockname()[1]
            first = Serving(LISTENER, listening.fileno(), Named("first"), 100)
            with connection(port) as old:
                assert await asyncio.to_thread(name, old) == "first"
                second = Serving(LISTENER, listening.fileno(), Named("second"), 100)
                await asyncio.sleep(0.1)
                first.accept_nobody()
                for _ in range(50):
                    with connection(port) as new:
                        assert await asyncio.to_thread(name, new) == "second"
                assert await asyncio.to_thread(name, old) == "first"
                used = time.process_time()
                await asyncio.sleep(0.5)
                assert time.process_time() - used < 0.3  # it waits, and does not spin
                await asyncio.wait_for(first.stop(), 10)
                with pytest.raises((OSError, http.client.HTTPException)):
                    await asyncio.to_thread(name, old)
            with connection(port) as new:
                assert await asyncio.to_thread(name, new) == "second"
            await asyncio.wait_for(second.stop(), 10)

    asyncio.run(scene())


async def health(port: int) -> int:
    def ask() -> int:
        with connection(port) as link:
            link.request("GET", "/v1/sys/health")
            return link.getresponse().status

    return await asyncio.to_thread(ask)


def test_who_is_turned_away_is_asked_to_come_anew_and_finds_the_next_process() -> None:
    def ask(link: http.client.HTTPConnection) -> tuple[int, str | None]:
        link.request("GET", "/v1/sys/health")
        answer = link.getresponse()
        answer.read()
        return answer.status, answer.headers["connection"]

    async def scene() -> None:
        node = MemoryServer()
        with bind(LISTENER) as listening:
            port = listening.getsockname()[1]
            acceptors = Acceptors([LISTENER], [listening.fileno()], node.node, node.source, 100)
            with connection(port) as old:
                assert await asyncio.to_thread(ask, old) == (501, None)
                acceptors.turn_away()
                acceptors.turn_away()
                following = Serving(LISTENER, listening.fileno(), Named("next"), 100)
                with connection(port) as new:
                    assert await asyncio.to_thread(name, new) == "next"
                assert await asyncio.to_thread(ask, old) == (501, "close")
                assert await asyncio.to_thread(name, old) == "next"
            await acceptors.stop()
            await acceptors.end()
            await asyncio.wait_for(following.stop(), 10)

    asyncio.run(scene())


@pytest.mark.parametrize("proxies", [None, ProxyProtocol("use_always")])
def test_a_certificate_that_cannot_be_used_changes_nothing(proxies: ProxyProtocol | None) -> None:
    async def scene() -> None:
        node = MemoryServer()
        plain = Listener("127.0.0.1", 0, proxy_protocol=proxies)
        with bind(plain) as listening:
            port = listening.getsockname()[1]
            acceptors = Acceptors([plain], [listening.fileno()], node.node, node.source, 100)
            assert await health(port) == 501  # not initialised: it answers
            await asyncio.sleep(0.5)
            held = descriptors()
            broken = msgspec.structs.replace(
                plain, tls=TLS("/nowhere/cert.pem", "/nowhere/key.pem")
            )
            await acceptors.reload([broken])
            assert descriptors() <= held
            for _ in range(20):
                assert await health(port) == 501
            await acceptors.stop()
            await acceptors.end()

    asyncio.run(scene())


def test_a_certificate_that_would_end_the_process_is_no_listeners(tmp_path: Path) -> None:
    self_signed(tmp_path, key=ec.generate_private_key(ec.SECP521R1()))
    unfit = TLS(f"{tmp_path}/cert.pem", f"{tmp_path}/key.pem")

    async def scene() -> None:
        node = MemoryServer()
        with bind(LISTENER) as listening:
            listener = Listener("127.0.0.1", 0, tls=unfit)
            with pytest.raises(BadListener, match="its key cannot be served"):
                Acceptors([listener], [listening.fileno()], node.node, node.source, 100)

    asyncio.run(scene())


def test_a_relay_knows_its_connections_and_whoever_comes_past_it_is_known_to_the_kernel() -> None:
    async def scene() -> None:
        node = MemoryServer()
        relayed = Listener("127.0.0.1", 0, proxy_protocol=ProxyProtocol("use_always"))
        with bind(LISTENER) as first, bind(relayed) as second:
            fds = [first.fileno(), second.fileno()]
            acceptors = Acceptors([LISTENER, relayed], fds, node.node, node.source, 100)
            plain, outer = first.getsockname()[1], second.getsockname()[1]
            (inner,) = acceptors.ports().keys() - {plain}
            assert inner != outer
            with connection(plain), connection(outer) as link, connection(inner) as past:
                link.request("GET", "/v1/sys/health")
                assert (await asyncio.to_thread(link.getresponse)).status == 501
                past.connect()
                by_relay = acceptors.ports()[inner]
                assert len(acceptors.held()) == 1
                assert past.sock.getsockname() not in by_relay
            await acceptors.stop()
            await acceptors.end()
            assert acceptors.held() == []

    asyncio.run(scene())


class Ending(Serving):
    """Ends before it has answered anybody, as a server does that cannot serve."""

    def __init__(self) -> None:
        self.task = asyncio.create_task(asyncio.sleep(0.1))


def test_no_request_is_lost_behind_proxies_while_a_next_acceptor_turns_out_not_to_serve(
    caplog: pytest.LogCaptureFixture,
) -> None:
    served: list[Serving] = []

    def serve(listener: Listener, fd: int, app: App, connections: int) -> Serving:
        served.append(Ending() if served else Serving(listener, fd, app, connections))
        return served[-1]

    async def scene() -> None:
        node = MemoryServer()
        plain = Listener("127.0.0.1", 0, proxy_protocol=ProxyProtocol("use_always"))
        with bind(plain) as listening:
            port = listening.getsockname()[1]
            acceptors = Acceptors(
                [plain], [listening.fileno()], node.node, node.source, 100, serve=serve
            )
            changed = msgspec.structs.replace(plain, body_timeout=1.0)
            for _ in range(5):
                reloading = asyncio.create_task(acceptors.reload([changed]))
                while not reloading.done():
                    assert await health(port) == 501
            await acceptors.stop()
            await acceptors.end()

    asyncio.run(scene())
    assert "cannot be served" in caplog.text
