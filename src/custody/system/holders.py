"""What leaves for the people who hold shares: shares and root tokens as texts, in clear or PGP.

The custodian makes shares and knows PGP keys only as texts; they are read and used here.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from custody.base.errors import BadRequest
from custody.crypto.pgp import BadKey, PublicKey


def fingerprints(pgp_keys: Sequence[str], refusal: str) -> tuple[str, ...]:
    """The fingerprints of public keys in base64. Raises BadRequest, beginning with `refusal`."""
    return tuple(_read(key, refusal).fingerprint for key in pgp_keys)


def encrypted(text: str, pgp_key: str, refusal: str) -> str:
    """`text` as an OpenPGP message in base64, for one holder. Raises BadRequest."""
    return base64.b64encode(_read(pgp_key, refusal).encrypt(text.encode())).decode()


@dataclass(frozen=True, slots=True)
class Delivery:
    """Shares as an answer shows them; with PGP keys, each is a message to its holder."""

    hex: Sequence[str] = field(repr=False)
    fingerprints: tuple[str, ...] = ()

    @property
    def base64(self) -> Sequence[str]:
        """The same in base64."""
        return [base64.b64encode(bytes.fromhex(text)).decode() for text in self.hex]

    @property
    def by_holder(self) -> Mapping[str, Sequence[str]]:
        """The shares of each fingerprint."""
        found: dict[str, list[str]] = {}
        for holder, text in zip(self.fingerprints, self.hex, strict=True):
            found.setdefault(holder, []).append(text)
        return found


def deliver(shares: Sequence[bytes], pgp_keys: Sequence[str]) -> Delivery:
    """The shares, each encrypted to the key of its place where there are keys.

    What is encrypted is a share's text in hex, as Vault does it. Raises BadRequest.
    """
    if not pgp_keys:
        return Delivery([share.hex() for share in shares])
    readers = [_read(key, "") for key in pgp_keys]
    messages = [
        reader.encrypt(share.hex().encode()).hex()
        for reader, share in zip(readers, shares, strict=True)
    ]
    return Delivery(messages, tuple(reader.fingerprint for reader in readers))


def _read(key: str, refusal: str) -> PublicKey:
    try:
        return PublicKey(key)
    except BadKey as error:
        raise BadRequest(f"{refusal}{error}") from None
