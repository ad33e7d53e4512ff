"""The little of the HTTP API that starting a server takes: health, init, unseal, any request.

It works with every server that speaks Vault's API and knows nothing of Custody's code.
"""

import http.client
import json
import subprocess
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

HEALTHY = 200
UNINITIALISED = 501
SEALED = 503
STARTED = frozenset({HEALTHY, UNINITIALISED, SEALED})

_TIMEOUT = 10.0  # seconds for one request
_PAUSE = 0.05  # seconds between two looks at the health
_FIRST_ERROR = 400


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, what: str, status: int, errors: object) -> None:
        super().__init__(f"{what}: {status} {errors}")
        self.status = status


class NotReady(Exception):
    """A server that was just started did not come up."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What initialisation shows once. Not shown in a repr."""

    share: str = field(repr=False)
    root_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class API:
    """Requests to the server at `host:port` over plain HTTP, with `token` where one is given."""

    host: str
    port: int
    token: str = field(default="", repr=False)

    @property
    def address(self) -> str:
        """Where the server listens, as clients want it in CUSTODY_ADDR."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The JSON object that answers, {} for none. Raises Refused, OSError, HTTPException."""
        status, raw = self._exchange(method, path, body)
        answer = json.loads(raw) if raw.strip() else {}
        if status >= _FIRST_ERROR:
            raise Refused(f"{method} {path}", status, answer.get("errors"))
        return dict(answer)

    def health(self) -> int | None:
        """The status of sys/health, None while nobody answers."""
        try:
            return self._exchange("GET", "sys/health", None)[0]
        except (OSError, http.client.HTTPException):
            return None

    def initialise(self) -> Keys:
        """Initialise with one share, which is enough to unseal."""
        answer = self.call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        return Keys(answer["keys_base64"][0], answer["root_token"])

    def unseal(self, share: str) -> bool:
        """Give the one share; says whether the server is unsealed now."""
        return not self.call("PUT", "sys/unseal", {"key": share})["sealed"]

    def wait(
        self, wanted: Collection[int], process: subprocess.Popen[bytes], seconds: float = 30.0
    ) -> int:
        """Poll the health until its status is `wanted`; the status. Raises NotReady."""
        deadline = time.monotonic() + seconds
        status = None
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise NotReady(f"the server ended with status {process.returncode}")
            status = self.health()
            if status is not None and status in wanted:
                return status
            time.sleep(_PAUSE)
        raise NotReady(f"sys/health answered {status} after {seconds:.0f} s")

    def _exchange(
        self, method: str, path: str, body: Mapping[str, Any] | None
    ) -> tuple[int, bytes]:
        headers = {"X-Vault-Token": self.token} if self.token else {}
        link = http.client.HTTPConnection(self.host, self.port, timeout=_TIMEOUT)
        try:
            raw = None if body is None else json.dumps(body).encode()
            link.request(method, f"/v1/{path}", raw, headers)
            response = link.getresponse()
            return response.status, response.read()
        finally:
            link.close()
