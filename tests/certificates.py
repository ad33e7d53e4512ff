"""Certificates for tests: self-signed, for a name and 127.0.0.1, with their keys beside them."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
Key = (
    ec.EllipticCurvePrivateKey
    | rsa.RSAPrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
)
_OWN_HASH = (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)
FAR = BEGAN + timedelta(days=36500)


def self_signed(
    directory: Path,
    *,
    serial: int = 1,
    names: tuple[str, ...] = ("vault.test",),
    addresses: tuple[str, ...] = ("127.0.0.1",),
    until: datetime = FAR,
    key: Key | None = None,
) -> Path:
    """Write cert.pem and key.pem into `directory`; where the certificate is."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vault.test")])
    others = [
        *(x509.DNSName(text) for text in names),
        *(x509.IPAddress(ipaddress.ip_address(text)) for text in addresses),
    ]
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(BEGAN)
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName(others), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, None if isinstance(key, _OWN_HASH) else hashes.SHA256())
    )
    return _write(directory, signed, key)


def client_of(authority: Path, directory: Path) -> Path:
    """Write a client's cert.pem and key.pem, signed by the authority in `authority`."""
    issuer = x509.load_pem_x509_certificate((authority / "cert.pem").read_bytes())
    text = (authority / "key.pem").read_bytes()
    signer = serialization.load_pem_private_key(text, password=None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    signed = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGAN)
        .not_valid_after(FAR)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("client")]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return _write(directory, signed, key)


def _write(directory: Path, signed: x509.Certificate, key: Key) -> Path:
    (directory / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return directory / "cert.pem"


def trusting_any() -> ssl.SSLContext:
    """A client's context that proves nothing: for servers of the test's own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
