"""Cross-origin requests: which pages of other origins a browser may let talk to this server.

Off unless an operator names origins. Then a request that bears an origin which is not among them
is refused, whatever it asks for: a browser sent it on behalf of a page that nobody vouched for.
"""

from typing import Final

from custody.base.codec import decode
from custody.base.errors import BadRequest, MultiError, PermissionDenied
from custody.base.record import Record
from custody.base.store import Rows, Table
from custody.core.call import CrossOrigin

CORS: Final = b"cors"
ANY: Final = "*"
MAX_NAMES: Final = 100
STANDARD_HEADERS: Final = (
    "Content-Type", "Authorization", "X-Vault-Token", "X-Vault-MFA",
    "X-Vault-No-Request-Forwarding", "X-Vault-Wrap-Format", "X-Vault-Wrap-TTL",
    "X-Requested-With", "X-Vault-AWS-IAM-Server-ID", "X-Vault-Policy-Override",
)  # fmt: skip


class BadOrigins(BadRequest, MultiError):
    """Origins or headers that cannot be allowed: 400 in the multi-error spelling."""


class CORSConfig(Record, frozen=True, kw_only=True):
    """Which origins are allowed, and which headers beside the standard ones."""

    origins: tuple[str, ...]
    headers: tuple[str, ...] = ()
    credentials: bool = False


def read_config(rows: Rows) -> CORSConfig | None:
    """The stored configuration; None while cross-origin requests are not looked at."""
    return rows.memo(Table.SETTING, CORS, _decode)


def checked(origins: list[str], headers: list[str], *, credentials: bool) -> CORSConfig:
    """A configuration of these. Raises BadOrigins."""
    if not origins:
        raise BadOrigins("at least one origin or the wildcard must be provided")
    if ANY in origins and len(origins) > 1:
        raise BadOrigins("to allow all origins the '*' must be the only value for allowed_origins")
    if ANY in origins and credentials:
        raise BadOrigins("allow_credentials needs origins that are named one by one")
    if max(len(origins), len(headers)) > MAX_NAMES:
        raise BadOrigins(f"more than {MAX_NAMES} origins or headers are not supported")
    if not all(_shown(text) for text in (*origins, *headers)):
        raise BadOrigins("an origin or a header holds characters that no header may have")
    return CORSConfig(origins=tuple(origins), headers=tuple(headers), credentials=credentials)


def allow(config: CORSConfig | None, origin: str) -> CrossOrigin | None:
    """What a page of `origin` may; None where nobody asks. Raises PermissionDenied."""
    if config is None:
        return None
    if config.origins != (ANY,) and origin not in config.origins:
        raise PermissionDenied("origin not allowed")
    return CrossOrigin(origin, (*STANDARD_HEADERS, *config.headers), credentials=config.credentials)


def _shown(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable() and not set(text) & set(' ,"')


def _decode(data: bytes) -> CORSConfig:
    return decode(CORSConfig, data)
