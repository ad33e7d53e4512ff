"""A process that has the HTTP server try a certificate, and ends as that would end a worker.

The server's TLS ends the process on what it cannot use: it has no call that says so. What OpenSSL
takes and it does not is more than can be listed: PEM behind a byte order mark or under other
labels, certificates of version 1, keys with odd exponents or spelt-out curves, encodings.
"""

import asyncio
import os
import socket
import sys

import msgspec

from custody.serve import handoff
from custody.serve.listeners import Serving
from custody.serve.settings import TLS, Listener


async def _nothing(*_: object) -> None:
    """An application that is never asked."""


async def serve(tls: TLS) -> None:
    """Begin to serve, on an address that nobody can connect to, and stop."""
    with socket.socket() as deaf:  # it does not listen
        deaf.bind(("127.0.0.1", 0))
        deaf.settimeout(0)
        listener = Listener(host="127.0.0.1", port=0, tls=tls)
        serving = Serving(listener, deaf.fileno(), _nothing, connections=1)
        await serving.stop()


if __name__ == "__main__":
    handoff.harden()
    asyncio.run(serve(msgspec.json.decode(sys.stdin.buffer.read(), type=TLS)))
    # At once: where a thread of the server's comes to Python while that is taken down, the process
    # aborts. On a busy machine one good certificate of twelve was refused for it.
    os._exit(0)
