"""Another server with a transit engine, as a small real HTTP server: for seals that use one.

    with TransitServer() as server:
        server.make_key("unseal")
        TransitKey(server.address, "transit", "unseal", Secret(server.token))

It knows one token, and can be told to be out of order, to lose a key, to let its token expire, or
to fall silent.
"""

import base64
import json
import ssl
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self

from custody.base.ids import SystemSource
from custody.crypto import aead

_PREFIX: Final = "vault:v1:"
Reply = tuple[int, Mapping[str, Any]]


class TransitServer:
    """A server on a free port of 127.0.0.1, in a thread; over TLS with a certificate and key."""

    def __init__(self, certificate: Path | None = None, private_key: Path | None = None) -> None:
        self.token = "transit-token-" + SystemSource().random(12).hex()
        self.out_of_order = False  # answers 503 to everything
        self.awake = threading.Event()  # while it is not set, requests are taken and not answered
        self.awake.set()
        self.renewals = 0
        self.token_ttl = 0  # seconds; 0: the token does not expire
        self.requests: list[str] = []
        self.redirects: str = ""  # address of the server that is active in its place
        self._source = SystemSource()
        self._keys: dict[str, bytes] = {}
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, private_key)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
            self._scheme = "https"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"{self._scheme}://127.0.0.1:{self._http.server_address[1]}"

    def make_key(self, name: str) -> None:
        """Make a transit key, or another in its place."""
        self._keys[name] = self._source.random(aead.KEY_SIZE)

    def destroy_key(self, name: str) -> None:
        """Lose a transit key for good."""
        del self._keys[name]

    def answer(self, method: str, path: str, token: str, body: Mapping[str, Any]) -> Reply:
        """The answer to one request, as Vault gives it."""
        self.requests.append(f"{method} {path}")
        self.awake.wait()
        if self.out_of_order:
            return 503, {"errors": ["Vault is sealed"]}
        if token != self.token:
            return 403, {"errors": ["permission denied"]}
        if path.startswith("auth/token/"):
            return self._about_token(path)
        return self._with_key(path, body)

    def _about_token(self, path: str) -> Reply:
        if path == "auth/token/lookup-self":
            return 200, {"data": {"renewable": bool(self.token_ttl), "ttl": self.token_ttl}}
        self.renewals += 1
        return 200, {"auth": {"lease_duration": self.token_ttl}}

    def _with_key(self, path: str, body: Mapping[str, Any]) -> Reply:
        mount, verb, name = [*path.split("/"), "", ""][:3]
        key = self._keys.get(name)
        if mount != "transit" or verb not in {"encrypt", "decrypt"}:
            return 404, {"errors": []}
        if key is None:
            return 400, {"errors": ["encryption key not found"]}
        return self._encrypt(key, body) if verb == "encrypt" else self._decrypt(key, body)

    def _encrypt(self, key: bytes, body: Mapping[str, Any]) -> Reply:
        plaintext = base64.b64decode(body["plaintext"])
        sealed = aead.encrypt(key, plaintext, b"", self._source)
        return 200, {"data": {"ciphertext": _PREFIX + base64.b64encode(sealed).decode()}}

    def _decrypt(self, key: bytes, body: Mapping[str, Any]) -> Reply:
        try:
            sealed = base64.b64decode(str(body["ciphertext"]).removeprefix(_PREFIX))
            plaintext = aead.decrypt(key, sealed, b"")
        except (ValueError, aead.CannotOpen):
            return 400, {"errors": ["cipher: message authentication failed"]}
        return 200, {"data": {"plaintext": base64.b64encode(plaintext).decode()}}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def _handler(server: TransitServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Reads a request, lets the server answer it."""

        def do_GET(self) -> None:
            self._answer()

        def do_PUT(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if server.redirects:
                self.send_response(307)
                self.send_header("Location", server.redirects + self.path)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            token = self.headers.get("X-Vault-Token", "")
            path = self.path.removeprefix("/v1/")
            status, data = server.answer(self.command, path, token, json.loads(body or b"{}"))
            text = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
