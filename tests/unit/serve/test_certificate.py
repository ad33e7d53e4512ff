"""What the HTTP server cannot serve is refused before it is asked to, and named."""

import base64
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.certificates import self_signed

from custody.serve import certificate
from custody.serve.certificate import BadCertificate
from custody.serve.settings import TLS

Edit = Callable[[bytes], bytes]
_LABEL = b" CERTIFICATE-----"
_BEGIN, _END = b"-----BEGIN" + _LABEL, b"-----END" + _LABEL
_NO_PEM = "no line of it is -----BEGIN CERTIFICATE----- alone, without a byte order mark"


def _marked(pem: bytes) -> bytes:
    return b"\xef\xbb\xbf" + pem


def _relabelled(label: bytes) -> Edit:
    return lambda pem: pem.replace(_LABEL, b" " + label + _LABEL)


def _with_a_tail(pem: bytes) -> bytes:
    """A certificate with bytes behind its end."""
    der = base64.b64decode(pem.partition(_BEGIN)[2].partition(_END)[0])
    return b"\n".join([_BEGIN, base64.b64encode(der + b"\0\0"), _END, b""])


@pytest.fixture
def tls(tmp_path: Path) -> TLS:
    """A certificate, its key, and an authority's certificate for clients."""
    authority = tmp_path / "authority"
    authority.mkdir()
    own = str(self_signed(tmp_path))
    return TLS(own, str(tmp_path / "key.pem"), client_ca_file=str(self_signed(authority)))


def _edit(file: str, edit: Edit) -> None:
    path = Path(file)
    path.write_bytes(edit(path.read_bytes()))


@pytest.mark.parametrize(
    "edit",
    [
        lambda pem: pem,
        lambda pem: pem + pem,
        lambda pem: b"an authority:\n" + pem.replace(b"\n", b"\r\n"),
        lambda pem: pem + _relabelled(b"TRUSTED")(pem),
    ],
)
def test_authorities_that_can_be_served_are_taken(tls: TLS, edit: Edit) -> None:
    _edit(tls.client_ca_file, edit)
    certificate.prove(tls)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (_marked, _NO_PEM),
        (_relabelled(b"TRUSTED"), _NO_PEM),
        (_relabelled(b"X509"), _NO_PEM),
        (_with_a_tail, "BadEncoding"),
    ],
)
def test_authorities_that_only_openssl_takes_are_refused_and_named(
    tls: TLS, edit: Edit, reason: str
) -> None:
    _edit(tls.client_ca_file, edit)
    certificate.check(tls)  # OpenSSL has nothing against it
    with pytest.raises(BadCertificate) as refused:
        certificate.prove(tls)
    assert str(refused.value) == f"{tls.client_ca_file}: it cannot be served: {reason}"


def test_a_certificate_behind_a_byte_order_mark_is_refused(tls: TLS) -> None:
    _edit(tls.cert_file, _marked)
    with pytest.raises(BadCertificate) as refused:
        certificate.prove(tls)
    both = f"{tls.cert_file} with {tls.key_file}"
    assert str(refused.value) == f"{both}: they cannot be served: {_NO_PEM}"


def test_a_key_that_openssl_takes_and_the_server_does_not_is_refused_and_not_shown(
    tmp_path: Path,
) -> None:
    own = self_signed(tmp_path, key=rsa.generate_private_key(3, 2048))
    tls = TLS(str(own), str(tmp_path / "key.pem"))
    certificate.check(tls)
    with pytest.raises(BadCertificate, match="cannot be served: failed to parse private key"):
        certificate.prove(tls)


def test_bytes_of_a_key_are_not_in_the_reason(tls: TLS) -> None:
    _edit(tls.key_file, lambda pem: _BEGIN + b"\n%\n" + _END + b"\n" + pem)
    with pytest.raises(BadCertificate) as refused:
        certificate.prove(tls)
    assert str(refused.value).endswith("they cannot be served: InvalidCharacter")


def test_a_key_that_is_too_short_is_called_so(tmp_path: Path) -> None:
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 that is the point
    own = self_signed(tmp_path, key=short)
    with pytest.raises(BadCertificate, match="its key is too short"):
        certificate.check(TLS(str(own), str(tmp_path / "key.pem")))


_NO_PROCESS = """
import sys
from custody.serve.certificate import BadCertificate, prove
from custody.serve.settings import TLS
sys.executable = "/nowhere"
try:
    prove(TLS(*sys.argv[1:]))
except BadCertificate as error:
    print(error)
"""


def test_where_no_process_can_be_started_nothing_is_taken_unproven(tls: TLS) -> None:
    done = subprocess.run(  # noqa: S603 our own interpreter
        [sys.executable, "-c", _NO_PROCESS, tls.cert_file, tls.key_file],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout.endswith(
        "they cannot be served: it cannot be tried: No such file or directory\n"
    )


_WATCHED = """
import atexit, runpy, sys
atexit.register(print, "taken down")
print("tried", flush=True)
runpy.run_module("custody.serve.trial", run_name="__main__")
"""


def test_a_trial_ends_before_python_is_taken_down_under_the_servers_threads(tls: TLS) -> None:
    done = subprocess.run(  # noqa: S603 our own interpreter
        [sys.executable, "-c", _WATCHED],
        input=msgspec.json.encode(tls),
        capture_output=True,
        check=True,
        timeout=30,
    )
    assert done.stdout == b"tried\n"
