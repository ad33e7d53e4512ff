"""From where a token may be used: networks as operators write them, and the check of an address."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)

from custody.base.errors import BadRequest, PermissionDenied

MAX_NETWORKS = 64  # of one token: all are tried at each of its requests


class OutsideNetwork(PermissionDenied):
    """A good token, used from where it may not be: the caller is told no more than any other."""

    @property
    def recorded(self) -> str:
        """As the caller is told, and why."""
        return f"{super().recorded}: the token is bound to other networks"


def clean(texts: Iterable[str]) -> tuple[str, ...]:
    """Networks and addresses in their usual spelling; a single address without its length.

    Raises BadRequest, in the words that Vault's clients know.
    """
    found = tuple(_spelling(text.strip()) for text in texts if text.strip())
    if len(found) > MAX_NETWORKS:
        raise BadRequest(f"error parsing role fields: more than {MAX_NETWORKS} networks")
    return found


def check(networks: Sequence[str], address: str) -> None:
    """Raises OutsideNetwork unless `address` is in one of `networks`."""
    try:
        where = ip_address(address)
    except ValueError:
        raise OutsideNetwork from None
    if isinstance(where, IPv6Address) and where.ipv4_mapped is not None:
        where = where.ipv4_mapped
    if not any(_within(where, text) for text in networks):
        raise OutsideNetwork


def _within(where: IPv4Address | IPv6Address, text: str) -> bool:
    if not text:  # of a token that was bound to the address of a Unix socket
        return False
    network = _network(text)
    return where.version == network.version and where in network


@lru_cache(maxsize=1024)
def _network(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text, strict=False)


def _spelling(text: str) -> str:
    try:
        found = ip_interface(text)
    except ValueError:
        raise BadRequest(
            f'error parsing role fields: error parsing address "{text}": Unable to convert '
            f'"{text}" to an IPv4 or IPv6 address, or a UNIX Socket'
        ) from None
    single = found.network.prefixlen == found.max_prefixlen
    return str(found.ip) if single else found.with_prefixlen
