"""How the server is reached: options first, then the environment, then Vault's defaults."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import SplitResult, urlsplit

from custody.base.duration import parse_ns
from custody.base.errors import BadRequest
from custody.base.secret import Secret
from custody.cli import token_store
from custody.cli.environment import Environment
from custody.cli.errors import UsageError
from custody.cli.flags import Options
from custody.cli.pace import Pace, read_pace

DEFAULT_ADDRESS = "https://127.0.0.1:8200"
_UNIX = "unix://"  # and the path of a socket
_BY_SOCKET = "http://localhost"
_DEFAULT_TIMEOUT = 60.0  # seconds
_NANOSECOND = 1e-9
_MOST_RETRIES = 20
_RESERVED = "x-vault-"
_ORIGINS = {
    "ca_cert": ("ca-cert", "CACERT"),
    "ca_cert_pem": ("", "CACERT_BYTES"),
    "client_cert": ("client-cert", "CLIENT_CERT"),
    "client_cert_pem": ("", "CLIENT_CERT_BYTES"),
    "client_key": ("client-key", "CLIENT_KEY"),
}


class Show(Enum):
    """What the user wants to see of a request."""

    ANSWER = ""
    CURL = "output-curl-string"  # the option that asks for it
    POLICY = "output-policy"


@dataclass(frozen=True, slots=True)
class TLS:
    """What proves the server to us, and us to the server. Empty text means: not set."""

    ca_cert: str = ""
    ca_cert_pem: str = ""
    ca_path: str = ""
    client_cert: str = ""
    client_cert_pem: Secret[str] | None = None  # certificate and key
    client_key: str = ""
    server_name: str = ""
    skip_verify: bool = False
    origins: Mapping[str, str] = field(default_factory=dict)  # which option or variable set a field


@dataclass(frozen=True, slots=True)
class Connection:
    """Where requests go and what each of them carries. `timeout` is in seconds.

    With a `socket`, the path of a Unix socket, the server's address is but what it is called by.
    """

    address: SplitResult
    token: Secret[str] | None
    tls: TLS
    timeout: float
    namespace: str
    wrap_ttl: str
    headers: tuple[tuple[str, Secret[str]], ...]
    follow_redirects: bool
    retries: int = 0  # of reads, and of nothing else
    show: Show = Show.ANSWER
    proxy: SplitResult | None = field(default=None, repr=False)  # may hold a password
    pace: Pace | None = None
    socket: str = ""

    @property
    def place(self) -> str:
        """The server's address as its user would write it."""
        return f"{_UNIX}{self.socket}" if self.socket else self.address.geturl()


def connection(options: Options, environment: Environment, *, with_token: bool) -> Connection:
    """The connection that options and environment describe. Raises UsageError."""
    if environment.switch("SRV_LOOKUP"):
        raise UsageError("SRV_LOOKUP is not understood: name host and port in CUSTODY_ADDR")
    given = _given_address(options, environment)
    socket = given.removeprefix(_UNIX) if given.startswith(_UNIX) else ""
    if not socket and given.startswith(_UNIX):
        raise UsageError("the server's address names no socket: write it as unix:///run/api.sock")
    address = urlsplit(_BY_SOCKET) if socket else _address(given)
    return Connection(
        address=address,
        token=current_token(environment) if with_token else None,
        tls=_tls(options, environment),
        timeout=_timeout(environment),
        namespace=_either(options, environment, "namespace", "NAMESPACE"),
        wrap_ttl=_either(options, environment, "wrap-ttl", "WRAP_TTL"),
        headers=_headers(options, environment),
        follow_redirects=not _switch(options, environment, "disable-redirects"),
        retries=_retries(environment),
        show=shown(options),
        proxy=None if socket else _proxy(address, environment),
        pace=read_pace(environment.get("RATE_LIMIT")),
        socket=socket,
    )


def current_token(environment: Environment) -> Secret[str] | None:
    """The token of the environment, else the one that a login stored. Raises UsageError."""
    text = environment.get("TOKEN").strip()
    return Secret(text) if text else token_store.read(environment)


def _either(options: Options, environment: Environment, flag: str, variable: str) -> str:
    return options.text(flag) if options.has(flag) else environment.get(variable)


def _switch(options: Options, environment: Environment, flag: str) -> bool:
    if options.has(flag):
        return options.switch(flag)
    variable = "SKIP_VERIFY" if flag == "tls-skip-verify" else flag.upper().replace("-", "_")
    return environment.switch(variable)


def _given_address(options: Options, environment: Environment) -> str:
    text = (
        options.text("agent-address")
        or options.text("address")
        or environment.get("AGENT_ADDR")
        or environment.get("ADDR")
        or DEFAULT_ADDRESS
    )
    return text.strip()


def _address(text: str) -> SplitResult:
    example = "write it as https://host:8200"
    try:
        parts = urlsplit(text.rstrip("/"))
        port = parts.port
    except ValueError as error:
        raise UsageError(f"the server's address is not a URL: {example}") from error
    if parts.username is not None or parts.password is not None:
        raise UsageError(f"the server's address may not hold a user or password: {example}")
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise UsageError(f'the server\'s address "{text}" is not a URL: {example}')
    return parts


def _proxy(address: SplitResult, environment: Environment) -> SplitResult | None:
    """The proxy that is named for this server, or the one that the environment names for all."""
    text = environment.get("PROXY_ADDR") or environment.get("HTTP_PROXY")
    if not text and not _is_direct(address.hostname or "", environment):
        name = f"{address.scheme}_proxy"
        text = environment.variables.get(name.upper()) or environment.variables.get(name, "")
    if not text:
        return None
    wrong = "the proxy's address is not a URL: write it as http://host:3128"
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port
    except ValueError:
        raise UsageError(wrong) from None
    if parts.scheme != "http" or not parts.hostname or port == 0:
        raise UsageError(wrong)
    return parts


def _is_direct(host: str, environment: Environment) -> bool:
    """Whether NO_PROXY names the host, or the domain that it is in."""
    given = environment.variables.get("NO_PROXY") or environment.variables.get("no_proxy", "")
    if host == "localhost" or host.startswith("127.") or host == "::1":
        return True
    names = [name.strip().lower().lstrip(".") for name in given.split(",") if name.strip()]
    return any(name in ("*", host) or host.endswith(f".{name}") for name in names)


def _tls(options: Options, environment: Environment) -> TLS:
    return TLS(
        ca_cert=_either(options, environment, "ca-cert", "CACERT"),
        ca_cert_pem=environment.get("CACERT_BYTES"),
        ca_path=_either(options, environment, "ca-path", "CAPATH"),
        client_cert=_either(options, environment, "client-cert", "CLIENT_CERT"),
        client_cert_pem=_client_pem(environment),
        client_key=_either(options, environment, "client-key", "CLIENT_KEY"),
        server_name=_either(options, environment, "tls-server-name", "TLS_SERVER_NAME"),
        skip_verify=_switch(options, environment, "tls-skip-verify"),
        origins={
            name: f"-{flag}" if options.has(flag) else environment.source(variable)
            for name, (flag, variable) in _ORIGINS.items()
        },
    )


def _client_pem(environment: Environment) -> Secret[str] | None:
    parts = environment.get("CLIENT_CERT_BYTES"), environment.get("CLIENT_KEY_BYTES")
    return Secret("\n".join(parts)) if parts[0] else None


def _timeout(environment: Environment) -> float:
    text = environment.get("CLIENT_TIMEOUT")
    if not text:
        return _DEFAULT_TIMEOUT
    try:
        seconds = parse_ns(text) * _NANOSECOND
    except BadRequest as error:
        raise UsageError("CLIENT_TIMEOUT is not a duration: write 60s") from error
    if seconds <= 0:
        raise UsageError("CLIENT_TIMEOUT must be more than nothing: write 60s")
    return seconds


def _retries(environment: Environment) -> int:
    text = environment.get("MAX_RETRIES") or "0"
    if not text.isascii() or not text.isdigit() or int(text) > _MOST_RETRIES:
        raise UsageError(f"MAX_RETRIES is a number from 0 to {_MOST_RETRIES}")
    return int(text)


def shown(options: Options) -> Show:
    """What the user wants to see. Raises UsageError."""
    asked = [show for show in (Show.CURL, Show.POLICY) if options.switch(show.value)]
    if len(asked) > 1:
        raise UsageError("cannot specify both -output-curl-string and -output-policy")
    return asked[0] if asked else Show.ANSWER


def _headers(options: Options, environment: Environment) -> tuple[tuple[str, Secret[str]], ...]:
    given = {**_variable_headers(environment), **options.pairs("header")}
    if any(name.lower().startswith(_RESERVED) for name in given):
        raise UsageError("headers that begin with X-Vault- are set by options of their own")
    named = [(name, Secret(value)) for name, value in given.items()]
    credentials = options.texts("mfa") or environment.get("MFA").split(",")
    named += [("X-Vault-MFA", Secret(value)) for value in credentials if value]
    if options.switch("policy-override"):
        named.append(("X-Vault-Policy-Override", Secret("true")))
    return tuple(named)


def _variable_headers(environment: Environment) -> dict[str, str]:
    """HEADERS: a JSON object of texts."""
    text = environment.get("HEADERS")
    try:
        given = json.loads(text) if text else {}
    except ValueError:
        given = None
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise UsageError('HEADERS is a JSON object of texts, as in {"X-Team": "web"}')
    return given
