"""What `custody doctor` asks a server: can it be reached, is it open, recorded, and on time."""

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from custody import __version__
from custody.base.clock import NANOSECOND, Clock
from custody.base.diagnosis import Diagnosis, fail, warn, well
from custody.cli.command import Context
from custody.cli.errors import CommandError, RemoteError
from custody.cli.settings import connection

if TYPE_CHECKING:
    from custody.cli.client import Client

_SERVER = "server"
_CLOCK = "clock"
_AUDIT = "audit devices"
_TOKEN = "token"  # noqa: S105 - a subject's name
_HTTPS = 443
_PATIENCE = 10.0  # seconds
_SKEW = 5  # seconds that the two clocks may differ
_SHORT = 3600  # seconds of life left, below which a token is to be renewed
_FORBIDDEN = 403
_HEALTH, _SEAL, _SELF, _DEVICES, _VERIFIED = ASKED = (
    "sys/health", "sys/seal-status", "auth/token/lookup-self", "sys/audit", "sys/verify",
)  # fmt: skip


def examine(context: Context, clock: Clock) -> Iterator[Diagnosis]:
    """Everything that the server tells; what it tells nobody without a token, only with one."""
    try:
        client = context.client().preparing().in_root_namespace()
        health = client.read(_HEALTH, {"sealedcode": 200, "uninitcode": 200})
    except CommandError as error:
        text, _, hint = str(error).partition("\n\n")
        yield fail(_SERVER, text, hint or "correct how it is reached")
        return
    yield from _certificate(context, clock.now_ns() // NANOSECOND)
    yield from _state(client, health)
    yield from _time(health, clock.now_ns() // NANOSECOND)
    if health.get("initialized") and not health.get("sealed"):
        yield from _with_token(client)


def _certificate(context: Context, now: int) -> Iterator[Diagnosis]:
    """Until when the certificate that the server shows is good."""
    address = connection(context.options, context.environment, with_token=False).address
    if address.scheme != "https":
        return
    import ssl  # noqa: PLC0415 loaded by now; only TLS pays for it

    from custody.crypto import x509  # noqa: PLC0415 as above
    from custody.serve.checkup.listening import validity  # noqa: PLC0415 as above

    host, port = address.hostname or "", address.port or _HTTPS
    try:
        text = ssl.get_server_certificate((host, port), timeout=_PATIENCE)
        found = x509.read_pem(text.encode())
    except (OSError, ValueError):
        return  # it was reached a moment ago: what is wrong with it now will be seen by others
    yield from validity("certificates", f"the certificate of {host}:{port}", found, now)


def _state(client: "Client", health: Mapping[str, Any]) -> Iterator[Diagnosis]:
    if not health.get("initialized"):
        yield fail(_SERVER, "it is not initialised", "custody operator init")
    elif health.get("sealed"):
        yield _sealed(client)
    else:
        yield well(_SERVER, "it is unsealed")
    version = str(health.get("version", ""))
    if version != __version__:
        yield warn(
            _SERVER,
            f"it runs version {version}, this command line is {__version__}",
            "use the same version on both sides",
        )


def _sealed(client: "Client") -> Diagnosis:
    try:
        error = client.read(_SEAL).get("unseal_error")
    except RemoteError:
        error = None  # it was reached a moment ago: it is sealed anyway
    if error:
        fix = "correct the seal in its configuration, or what that names, and restart it"
        return fail(_SERVER, f"it is sealed: {error}", fix)
    return fail(_SERVER, "it is sealed", "custody operator unseal, by enough holders of shares")


def _time(health: Mapping[str, Any], now: int) -> Iterator[Diagnosis]:
    theirs = health.get("server_time_utc")
    if not isinstance(theirs, int):
        return
    skew = theirs - now
    if abs(skew) > _SKEW:
        word = "ahead" if skew > 0 else "behind"
        yield warn(
            _CLOCK,
            f"the server's clock is {abs(skew)} s {word} of this machine's",
            "set the wrong one right: lives of tokens are told by the server's",
        )
    else:
        yield well(_CLOCK, "the server's clock and this machine's agree")


def _with_token(client: "Client") -> Iterator[Diagnosis]:
    try:
        found = client.read(_SELF).get("data") or {}
    except RemoteError as error:
        if error.status != _FORBIDDEN:
            yield fail(_TOKEN, str(error).partition("\n\n")[0], "custody login")
        else:
            yield warn(_TOKEN, "there is none, or it is no longer good", "custody login")
        return
    yield from _life(found)
    yield from _audited(client)
    yield from _whole(client)


def _life(found: Mapping[str, Any]) -> Iterator[Diagnosis]:
    left = found.get("ttl")
    if "root" in (found.get("policies") or ()):
        yield warn(
            _TOKEN,
            "a root token is in use",
            "write a policy for administrators, make a token with it, try that, and only then"
            " revoke this one: docs/start/production.md has the commands",
        )
    elif isinstance(left, int) and 0 < left < _SHORT:
        yield warn(_TOKEN, f"it ends in {left} s", "custody token renew, or log in again")
    else:
        yield well(_TOKEN, "it is good")


def _audited(client: "Client") -> Iterator[Diagnosis]:
    try:
        devices = client.read(_DEVICES).get("data") or {}
    except RemoteError:
        return  # this token may not know
    if devices:
        yield well(_AUDIT, f"{len(devices)} enabled: {', '.join(sorted(devices))}")
        yield from _apart(devices)
    else:
        yield fail(
            _AUDIT,
            "none is enabled: nothing is recorded",
            "custody audit enable file file_path=/var/log/custody/audit.log",
        )


def _apart(devices: Mapping[str, Any]) -> Iterator[Diagnosis]:
    """Whether each device has a file of its own: one of the configuration may have come later."""
    owners: dict[str, str] = {}
    for path in sorted(devices):
        options = devices[path].get("options") or {}
        file = os.path.normpath(options.get("file_path") or options.get("path") or "")
        if not file.startswith("/"):
            continue
        owner = owners.setdefault(file, path)
        if owner != path:
            yield fail(
                _AUDIT,
                f"{owner} and {path} write to one file, {file}, which both take for damaged",
                f"custody audit disable {path.rstrip('/')}, and name it another file",
            )


def _whole(client: "Client") -> Iterator[Diagnosis]:
    """What the server itself has found wrong with what it keeps."""
    try:
        found = client.read(_VERIFIED).get("data") or {}
    except RemoteError:
        return  # this token may not know
    if found.get("found"):
        yield fail(
            _SERVER,
            f"{found['found']} rows are not as they were written",
            "custody operator verify -status shows them; restore from a backup",
        )
