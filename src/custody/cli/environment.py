"""The only reader of the process environment in the command line.

A setting is looked up as CUSTODY_<NAME>, then BAO_<NAME>, then VAULT_<NAME>; an empty variable
counts as unset. So a shell that is set up for Vault or OpenBao works as it is.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from custody.cli.errors import UsageError

PREFIXES = ("CUSTODY_", "BAO_", "VAULT_")
# Those that stand in for an option are said with it (Flag.variable); these have none.
VARIABLES: Mapping[str, str] = {
    "CACERT_BYTES": "The authority that signed the server's certificate, as PEM text.",
    "CLIENT_CERT_BYTES": "A certificate to show to the server, as PEM text.",
    "CLIENT_KEY_BYTES": "The key of CLIENT_CERT_BYTES, as PEM text.",
    "CLIENT_TIMEOUT": "How long to wait for an answer; 60s unless set.",
    "CONFIG_PATH": "The file that may name a token helper; ~/.vault unless set.",
    "HEADERS": "Headers to send with each request, as a JSON object.",
    "HTTP_PROXY": "Another name of PROXY_ADDR.",
    "MAX_RETRIES": "How often a read is tried again, 0 to 20; 0 unless set.",
    "PROXY_ADDR": "A proxy on the way to this server; it wins over HTTP_PROXY and HTTPS_PROXY.",
    "RATE_LIMIT": "Requests in a second, or rate:burst.",
    "SRV_LOOKUP": "Not understood: a true value is refused.",
    "TOKEN": "The token; it wins over one that was stored by `custody login`.",
    "TOKEN_HELPER": "A program that keeps the token, in place of a file.",
    "TOKEN_PATH": "The file that keeps the token; ~/.vault-token unless set.",
}
_TRUE = frozenset({"1", "t", "true"})
_FALSE = frozenset({"0", "f", "false"})


@dataclass(frozen=True, slots=True)
class Environment:
    """A frozen copy of the variables; not shown in a repr, since one may hold a token."""

    variables: Mapping[str, str] = field(repr=False)

    def get(self, name: str) -> str:
        """The first non-empty of CUSTODY_name, BAO_name, VAULT_name; "" when there is none."""
        return self.variables.get(self.source(name), "")

    def source(self, name: str) -> str:
        """The variable that `get` reads; "" when none is set."""
        names = (prefix + name for prefix in PREFIXES)
        return next((each for each in names if self.variables.get(each)), "")

    def switch(self, name: str) -> bool:
        """The setting as a Go boolean, False when unset. Raises UsageError."""
        value = self.get(name)
        if not value:
            return False
        return parse_switch(value, f"the environment's {name}")

    @property
    def token_file(self) -> Path:
        """Where the token is kept: TOKEN_PATH, else ~/.vault-token. Raises UsageError."""
        path = self.get("TOKEN_PATH")
        if path:
            return Path(path)
        home = self.variables.get("HOME", "")
        if not home:
            raise UsageError(
                "HOME is not set, so there is no place for the token; set it, or CUSTODY_TOKEN_PATH"
            )
        return Path(home) / ".vault-token"


def load() -> Environment:
    """The environment of this process."""
    return Environment(dict(os.environ))


def parse_switch(text: str, where: str) -> bool:
    """`text` as Go's ParseBool reads it. Raises UsageError that names `where` it came from."""
    lowered = text.lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise UsageError(f'invalid boolean value "{text}" for {where}: write true or false')
