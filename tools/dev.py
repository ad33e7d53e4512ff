"""`make dev`: a real server with data of its own under .dev/, ready for use, in the foreground.

The first start initialises it; every start unseals it, sees to KV v2 at secret/, and writes and
reads one secret through its port. The unseal share and the root token lie beside the data, in
files named UNSAFE: who can read .dev/ can read every secret in it.
"""

import http.client
import os
import secrets
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from tools import config, process
from tools.api import API, HEALTHY, SEALED, STARTED, UNINITIALISED, Keys, NotReady, Refused

ROOT = Path(__file__).resolve().parent.parent
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PROOF = "make-dev"  # the secret that each start writes and reads

_READY = """
Custody is up at {address}: unsealed, KV v2 at secret/, audit in {audit}.
Proof: secret/{proof} was written and read back through the port; it is at version {version}.

In a second terminal:

    export CUSTODY_ADDR={address}
    export CUSTODY_TOKEN="$(cat {token})"
    export PATH="{bin}:$PATH"
    custody status
    custody kv put secret/app user=u password=p
    custody kv get secret/app

For hvac, vault or bao, set VAULT_ADDR and VAULT_TOKEN to the same.
Share and root token are under {directory}, in files named UNSAFE. Control-C stops the server.
"""


class Unusable(Exception):
    """Why there can be no server, and what to do about it."""


class Stopped(Exception):
    """A signal asked to end before the server was ready."""


@dataclass(frozen=True, slots=True)
class Files:
    """What lies under .dev/."""

    directory: Path

    @property
    def config(self) -> Path:
        """The configuration, written at each start."""
        return self.directory / "custody.hcl"

    @property
    def data(self) -> Path:
        """What the server keeps; nothing of ours goes there."""
        return self.directory / "data"

    @property
    def audit(self) -> Path:
        """The audit file."""
        return self.directory / "audit.log"

    @property
    def share(self) -> Path:
        """The one unseal share."""
        return self.directory / "UNSAFE-unseal-share"

    @property
    def token(self) -> Path:
        """The root token."""
        return self.directory / "UNSAFE-root-token"


def main() -> int:
    """Run the server until a signal or its own end; the exit code."""
    files = Files(ROOT / ".dev")
    for number in _SIGNALS:
        signal.signal(number, _stop)
    try:
        api = _address(os.environ.get("CUSTODY_DEV_ADDR", "127.0.0.1:8200"))
        _prepare(files, api)
        return _serve(
            process.start([process.CUSTODY, "server", f"-config={files.config}"]), api, files
        )
    except Stopped:
        return 0
    except (Unusable, NotReady, Refused, OSError, http.client.HTTPException) as error:
        print(f"make dev: {error}", file=sys.stderr)
        return 1


def _address(text: str) -> API:
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdigit():
        raise Unusable(f"CUSTODY_DEV_ADDR is {text!r}; it must be HOST:PORT")
    try:
        free = process.is_free(host, int(port))
    except (OSError, OverflowError) as error:
        raise Unusable(f"cannot listen on {text}: {error}") from error
    if not free:
        raise Unusable(
            f"something listens on {text} already, perhaps another `make dev`;"
            " stop it, or choose another: CUSTODY_DEV_ADDR=127.0.0.1:8210 make dev"
        )
    return API(host, int(port))


def _prepare(files: Files, api: API) -> None:
    files.directory.mkdir(mode=0o700, exist_ok=True)
    files.data.mkdir(mode=0o700, exist_ok=True)
    text = config.custody(api, files.data, files.audit, "info")
    files.config.write_text(f"# Written by `make dev` at each start.\n{text}")


def _serve(server: subprocess.Popen[bytes], api: API, files: Files) -> int:
    """Make the server ready, then wait for its end, passing signals on."""
    try:
        version = _make_ready(server, api, files)
        print(_told(api, files, version), flush=True)
        return server.wait()
    except Stopped as stopped:
        return _end(server, stopped.args[0])
    finally:
        process.stop(server)


def _stop(number: int, _frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise Stopped(number)


def _end(server: subprocess.Popen[bytes], number: int) -> int:
    """Pass the signal on and wait; 0 when the server stopped as asked."""
    code = process.stop(server, signal.SIGTERM if number == signal.SIGHUP else number)
    return 0 if code in (0, -number) else 1


def _make_ready(server: subprocess.Popen[bytes], api: API, files: Files) -> int:
    """Initialise what is new, unseal, mount secret/, prove it; the version of the proof."""
    status = api.wait(STARTED, server)
    if status == UNINITIALISED:
        _initialise(api, files)
        status = api.wait({SEALED, HEALTHY}, server)
    keys = _kept(files)
    if status == SEALED:
        api.unseal(keys.share)
        api.wait({HEALTHY}, server)
    root = replace(api, token=keys.root_token)
    if "secret/" not in root.call("GET", "sys/mounts")["data"]:
        root.call("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
    return _prove(root)


def _initialise(api: API, files: Files) -> None:
    """Initialise and keep what is shown only once, without a signal in between."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    keys = api.initialise()
    _write_private(files.share, keys.share)
    _write_private(files.token, keys.root_token)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())


def _kept(files: Files) -> Keys:
    try:
        return Keys(files.share.read_text().strip(), files.token.read_text().strip())
    except FileNotFoundError as error:
        raise Unusable(
            f"the data in {files.data} was initialised, but {error.filename} is missing:"
            f" put it back, or remove {files.directory} to start anew"
        ) from error


def _prove(root: API) -> int:
    value = secrets.token_hex(16)
    written = root.call("POST", f"secret/data/{PROOF}", {"data": {"value": value}})["data"]
    read = root.call("GET", f"secret/data/{PROOF}")["data"]
    if read["data"] != {"value": value} or read["metadata"]["version"] != written["version"]:
        raise Unusable(f"secret/{PROOF} was written but reads back as something else")
    return int(written["version"])


def _told(api: API, files: Files, version: int) -> str:
    return _READY.format(
        address=api.address,
        audit=files.audit,
        proof=PROOF,
        version=version,
        token=files.token,
        bin=process.CUSTODY.parent,
        directory=files.directory,
    )


if __name__ == "__main__":
    sys.exit(main())
