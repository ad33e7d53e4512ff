"""Listeners and their certificates: who reaches the server under which name, and until when."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from custody.base.clock import NANOSECOND
from custody.base.diagnosis import Diagnosis, fail, warn, well
from custody.crypto import x509
from custody.serve import certificate
from custody.serve.listener_config import DEFAULT_PORT as _PORT
from custody.serve.listener_config import is_loopback
from custody.serve.settings import TLS, Listener, Settings

_ADDRESS: Final = "addresses"
_TLS: Final = "certificates"
_DAY: Final = 24 * 3600
SOON: Final = 30 * _DAY  # seconds before the end of a certificate
_OTHERS: Final = 0o077
_ANYBODY: Final = 0o002


def addresses(settings: Settings) -> Iterator[Diagnosis]:
    """Whether clients are told an address that leads here."""
    if not settings.api_addr:
        yield from _unnamed(settings)
        return
    parts = urlsplit(settings.api_addr)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
        yield fail(
            _ADDRESS, f"api_addr {settings.api_addr} is no URL", "write it as https://host:8200"
        )
        return
    yield from _leads_here(settings, parts.scheme, port or (443 if parts.scheme == "https" else 80))


def _unnamed(settings: Settings) -> Iterator[Diagnosis]:
    if _is_private(settings):
        yield well(_ADDRESS, "only this machine reaches the listeners: api_addr need not be set")
        return
    outer = next(one for one in settings.listeners if not _is_local(one))
    scheme = "http" if outer.tls is None else "https"
    yield warn(
        _ADDRESS,
        "api_addr is not set",
        "set it to how clients reach this server, as in"
        f" {scheme}://custody.example.com:{outer.port or _PORT}",
    )


def _is_private(settings: Settings) -> bool:
    return all(map(_is_local, settings.listeners))


def _is_local(listener: Listener) -> bool:
    """Whether only this machine reaches it."""
    return listener.file is not None or is_loopback(listener.host)


def _leads_here(settings: Settings, scheme: str, port: int) -> Iterator[Diagnosis]:
    host = urlsplit(settings.api_addr).hostname or ""
    speaking = [
        one
        for one in settings.listeners
        if one.file is None and (one.tls is not None) == (scheme == "https")
    ]
    if _is_private(settings) and not is_loopback(host):
        yield from _by_proxy(settings, scheme)
    elif not speaking:
        other = "http" if scheme == "https" else "https"
        yield warn(
            _ADDRESS,
            f"api_addr says {scheme}, but every listener speaks {other}",
            "unless a proxy stands between, correct api_addr or the listener",
        )
    elif port not in {one.port for one in speaking if one.port}:
        yield warn(
            _ADDRESS,
            f"api_addr names port {port}, on which nothing listens here",
            "unless a proxy stands between, correct api_addr or the listener",
        )
    else:
        yield well(_ADDRESS, f"api_addr {settings.api_addr} leads to a listener")


def _by_proxy(settings: Settings, scheme: str) -> Iterator[Diagnosis]:
    """Only a proxy on this machine can lead from there to a listener."""
    if scheme == "https":
        yield well(
            _ADDRESS, f"api_addr {settings.api_addr} is a proxy's: the listeners are on loopback"
        )
    else:
        yield warn(
            _ADDRESS,
            f"api_addr {settings.api_addr} is plain HTTP from another machine to the proxy here",
            "let the proxy speak TLS and write api_addr with https, or listen with a certificate",
        )


def certificates(settings: Settings, now_ns: int) -> Iterator[Diagnosis]:
    """Whether each listener's certificate is good, for long enough, and for the server's name."""
    host = urlsplit(settings.api_addr).hostname or ""
    for listener in settings.listeners:
        if listener.tls is None:
            yield from _plain(listener)
        else:
            yield from _certificate(listener.tls, host, now_ns // NANOSECOND)


def _plain(listener: Listener) -> Iterator[Diagnosis]:
    if listener.file is not None and listener.file.mode & _ANYBODY:
        yield warn(
            _TLS,
            f"any user of this machine may connect to {listener.address}",
            'set socket_mode = "0660" and socket_group to those who are meant',
        )
    elif _is_local(listener):
        yield well(_TLS, f"{listener.address} is plain HTTP, on this machine only")
    else:
        yield warn(
            _TLS,
            f"{listener.address} is plain HTTP: tokens and secrets pass in clear",
            "set tls_cert_file and tls_key_file, or let a proxy on this machine speak TLS",
        )


def _certificate(tls: TLS, host: str, now: int) -> Iterator[Diagnosis]:
    try:
        certificate.prove(tls)
        found = x509.read_pem(Path(tls.cert_file).read_bytes())
    except (certificate.BadCertificate, ValueError, OSError) as error:
        reason = str(error) if isinstance(error, certificate.BadCertificate) else "is unreadable"
        yield fail(_TLS, f"{tls.cert_file}: {reason}", "install a certificate with its own key")
        return
    yield from validity(_TLS, tls.cert_file, found, now)
    if host and not found.covers(host):
        yield fail(
            _TLS,
            f"{tls.cert_file} is not for {host}, the host of api_addr",
            f"have one made with {host} among its subject alternative names",
        )
    if stat.S_IMODE(os.stat(tls.key_file).st_mode) & _OTHERS & ~0o040:  # noqa: PTH116 - one call
        yield warn(_TLS, f"{tls.key_file} is open to other users", f"chmod 0600 {tls.key_file}")


def validity(subject: str, name: str, found: x509.Certificate, now: int) -> Iterator[Diagnosis]:
    """Whether a certificate is valid at `now` (seconds), and for some time after it."""
    days = (found.not_after - now) // _DAY
    if now < found.not_before:
        yield fail(subject, f"{name} is not valid yet", "set the clock right, or wait")
    elif now >= found.not_after:
        yield fail(subject, f"{name} ended {-days} days ago", "renew it, then send SIGHUP")
    elif found.not_after - now < SOON:
        yield warn(subject, f"{name} ends in {days} days", "renew it, then send SIGHUP")
    else:
        yield well(subject, f"{name} is valid for {days} days")
