"""Reading certificates: until when one is valid, and for which names (RFC 5280, RFC 6125)."""

import ipaddress
from dataclasses import dataclass

from cryptography import x509


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
