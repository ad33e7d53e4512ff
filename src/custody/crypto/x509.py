"""Reading certificates: their keys, names and until when they are valid (RFC 5280, RFC 6125)."""

import ipaddress
from dataclasses import dataclass
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says. Times are seconds since the epoch; names are in lower case."""

    not_before: int
    not_after: int
    names: tuple[str, ...]
    addresses: tuple[str, ...]

    def covers(self, host: str) -> bool:
        """Whether a client that dials `host` accepts it by its alternative names."""
        try:
            return str(ipaddress.ip_address(host)) in self.addresses
        except ValueError:
            pass
        host = host.lower().rstrip(".")
        parent = host.partition(".")[2]
        return host in self.names or (bool(parent) and f"*.{parent}" in self.names)


class Key(NamedTuple):
    """What kind of key a certificate is for: RSA, Ed25519, a curve's name or "other"."""

    kind: str
    bits: int = 0


def key_of(text: bytes) -> Key:
    """The key of the first certificate in PEM text. Raises ValueError."""
    try:
        key = x509.load_pem_x509_certificate(text).public_key()
    except UnsupportedAlgorithm:
        return Key("other")
    match key:
        case rsa.RSAPublicKey():
            return Key("RSA", key.key_size)
        case ec.EllipticCurvePublicKey():
            return Key(key.curve.name, key.key_size)
        case ed25519.Ed25519PublicKey():
            return Key("Ed25519")
        case _:
            return Key("other")


def read_pem(text: bytes) -> Certificate:
    """The first certificate in PEM text. Raises ValueError."""
    found = x509.load_pem_x509_certificate(text)
    try:
        others = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [name.lower() for name in others.get_values_for_type(x509.DNSName)]
        addresses = [str(address) for address in others.get_values_for_type(x509.IPAddress)]
    except x509.ExtensionNotFound:
        names, addresses = [], []
    return Certificate(
        int(found.not_valid_before_utc.timestamp()),
        int(found.not_valid_after_utc.timestamp()),
        tuple(names),
        tuple(addresses),
    )
