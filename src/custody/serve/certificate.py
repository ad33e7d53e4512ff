"""Checking a listener's certificate and key before anything depends on them."""

import re
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from custody.base.pem import swapped
from custody.crypto import x509
from custody.serve import config
from custody.serve.settings import TLS, Settings

# What the HTTP server's TLS signs with. With another key it would end the process, not refuse.
_SERVED: Final = frozenset({"secp256r1", "secp384r1", "Ed25519"})
_LONGEST_RSA: Final = 4096  # bits
_OPENSSL: Final = {
    "KEY_VALUES_MISMATCH": "the key does not belong to it",
    "EE_KEY_TOO_SMALL": "its key is too short",
}
_PATIENCE: Final = 30.0  # seconds for a trial, which takes a fifth of one
_NO_PEM: Final = "no line of it is -----BEGIN CERTIFICATE----- alone, without a byte order mark"
_REASONS: Final = {
    "NoCertificatesPresented": _NO_PEM,
    "NoRootAnchors": _NO_PEM,
    "UnsupportedCertVersion": "it is not an X.509 certificate of version 3",
}


class BadCertificate(Exception):
    """A certificate or key that cannot be served; the text names the file."""


def check_all(settings: Settings) -> None:
    """As `prove`, of every listener. Raises BadCertificate, with a line for each."""
    wrong = faults(settings)
    if wrong:
        raise BadCertificate("\n".join(wrong))


def faults(settings: Settings) -> list[str]:
    """What `prove` says of every listener."""
    wrong = []
    for listener in settings.listeners:
        if listener.tls is not None:
            try:
                prove(listener.tls)
            except BadCertificate as error:
                wrong.append(str(error))
    return wrong


def prove(tls: TLS) -> None:
    """As `check`, and have the HTTP server try them. Raises BadCertificate.

    That is done in a process of its own, which takes a fifth of a second.
    """
    check(tls)
    reason = _refusal(tls)
    if not reason:
        return
    own = msgspec.structs.replace(tls, client_ca_file="")
    if tls.client_ca_file and not _refusal(own):
        raise BadCertificate(f"{tls.client_ca_file}: it cannot be served: {reason}")
    raise BadCertificate(f"{tls.cert_file} with {tls.key_file}: they cannot be served: {reason}")


def check(tls: TLS) -> None:
    """Raise BadCertificate unless the key belongs to the certificate, and all can be read."""
    for path in (tls.cert_file, tls.key_file, tls.client_ca_file):
        if path and Path(path).exists() and not Path(path).is_file():
            # To open a pipe is to wait for who writes into it.
            raise BadCertificate(f"{path}: it is not a file")
    _check_own(tls)
    _check_kind(tls.cert_file)
    if tls.client_ca_file:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tls.client_ca_file)
        except OSError as error:  # ssl.SSLError is one
            reason = "it is not valid PEM" if isinstance(error, ssl.SSLError) else error.strerror
            raise BadCertificate(f"{tls.client_ca_file}: {reason}") from error


def _check_own(tls: TLS) -> None:
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.cert_file, tls.key_file, password=_no_password)
    except ssl.SSLError as error:
        reason = _OPENSSL.get(error.reason, "it is not valid PEM")
        if swapped(tls.cert_file, tls.key_file):
            reason = "the two are swapped: tls_cert_file holds the key"
        raise BadCertificate(f"{tls.cert_file} with {tls.key_file}: {reason}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the key is encrypted"
        raise BadCertificate(f"{tls.cert_file} with {tls.key_file}: {reason}") from error


def _check_kind(cert_file: str) -> None:
    try:
        key = x509.key_of(Path(cert_file).read_bytes())
    except ValueError:
        return  # read by OpenSSL only: nothing is known against it
    if key.kind not in _SERVED and not (key.kind == "RSA" and key.bits <= _LONGEST_RSA):
        raise BadCertificate(
            f"{cert_file}: its key cannot be served; take RSA of at most {_LONGEST_RSA} bits, "
            "P-256, P-384 or Ed25519"
        )


def _refusal(tls: TLS) -> str:
    """Why the HTTP server cannot serve it; empty where it can."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "custody.serve.trial"],
            input=msgspec.json.encode(tls),
            capture_output=True,
            env=config.child_environment(),
            check=False,
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return "it was tried, and that did not end"
    except OSError as error:
        return f"it cannot be tried: {error.strerror}"
    if done.returncode == 0:
        return ""
    told = done.stderr.decode(errors="replace")
    return next((text for word, text in _REASONS.items() if word in told), _said(told))


def _said(told: str) -> str:
    """What the server's TLS said last of why, less its numbers, which may be bytes of a file."""
    value = re.search(r"panicked at .*\n(.*)", told)
    words = re.findall(r'"[^"]*"|[A-Za-z]{4,}', value[1]) if value else []
    return re.sub(r"\W*\d+\W*", "", words[-1].strip('"')) if words else "it does not say why"


def _no_password() -> str:
    raise ValueError("an encrypted key would need a password at each start")
