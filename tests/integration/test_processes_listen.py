"""Listening for real: TLS beside plain HTTP, and what keeps a server from starting."""

import datetime as dt
import http.client
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_RUN = "import sys; from custody.serve.supervisor import main; sys.exit(main(sys.argv[1:]))"
_STORAGE = 'storage "lmdb" {{ path = "{directory}/data" }}\nworkers = 1\n'
_PLAIN = 'listener "tcp" {{ address = "127.0.0.1:{port}" \n tls_disable = true }}\n'
_TLS = """
listener "tcp" {{
  address       = "127.0.0.1:0"
  tls_cert_file = "{directory}/cert.pem"
  tls_key_file  = "{directory}/key.pem"
}}
"""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for localhost; its key lies beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "cert.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.fixture
def ports(tmp_path: Path, certificate: Path) -> Iterator[list[int]]:
    """A server with a TLS and a plain listener; their ports, TLS first."""
    assert certificate.exists()
    process = _start(tmp_path, _STORAGE + _TLS + _PLAIN, port=0)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("custody is ready at https://127.0.0.1:")
        yield [int(port) for port in re.findall(r":(\d+)", line)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.communicate()


def _start(directory: Path, config: str, **values: object) -> "subprocess.Popen[str]":
    path = directory / "server.hcl"
    path.write_text(config.format(directory=directory, **values))
    return subprocess.Popen(  # noqa: S603 - our own server
        [sys.executable, "-c", _RUN, f"-config={path}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _refused(directory: Path, config: str, **values: object) -> str:
    process = _start(directory, config, **values)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 1, err
    assert out == ""
    assert "Traceback" not in err
    return err


def test_both_listeners_answer_and_tls_speaks_both_versions_of_http(
    ports: list[int], certificate: Path
) -> None:
    secure, plain = ports
    context = ssl.create_default_context(cafile=str(certificate))
    for connection in (
        http.client.HTTPSConnection("localhost", secure, context=context, timeout=10),
        http.client.HTTPConnection("127.0.0.1", plain, timeout=10),
    ):
        connection.request("GET", "/v1/sys/seal-status")
        assert connection.getresponse().status == 200
        connection.close()
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", secure), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as line,
    ):
        assert line.selected_alpn_protocol() == "h2"
        assert line.version() == "TLSv1.3"


def test_tls_before_1_2_is_refused(ports: list[int], certificate: Path) -> None:
    context = ssl.create_default_context(cafile=str(certificate))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", ports[0]), timeout=10) as raw,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(raw, server_hostname="localhost")


def test_a_header_beyond_its_limit_is_431(ports: list[int]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", ports[1], timeout=10)
    connection.request("GET", "/v1/sys/health", headers={"X-Large": "a" * 70_000})
    assert connection.getresponse().status == 431
    connection.close()


def test_an_address_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = _refused(tmp_path, _STORAGE + _PLAIN, port=port)
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in error


def test_a_certificate_that_is_none_ends_the_start_and_is_named(
    tmp_path: Path, certificate: Path
) -> None:
    certificate.write_text("not a certificate")
    said = _refused(tmp_path, _STORAGE + _TLS)
    assert f"cannot start: {certificate} with {tmp_path}/key.pem: it is not valid PEM" in said


def test_data_of_a_newer_format_ends_the_start_and_is_left_alone(tmp_path: Path) -> None:
    shard = tmp_path / "data" / "root"
    shard.mkdir(parents=True)
    newer = '{"format": 99, "engine": "lmdb-0.9", "minimum_reader": 99}\n'
    (shard / "FORMAT").write_text(newer)
    error = _refused(tmp_path, _STORAGE + _PLAIN, port=0)
    assert "cannot start" in error
    assert "99" in error
    assert (shard / "FORMAT").read_text() == newer


def test_a_mistake_in_the_configuration_is_told_without_a_traceback(tmp_path: Path) -> None:
    error = _refused(tmp_path, _STORAGE + "listner {{}}" + _PLAIN, port=0)
    assert 'unknown key "listner"; did you mean "listener"?' in error
