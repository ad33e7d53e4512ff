"""What a configuration says, as values: what `serve.config` reads and the processes are given."""

import msgspec

DAY = 24 * 3600


class TLS(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a listener's certificate is, and the oldest protocol it speaks.

    With a `client_ca_file` it takes only clients that show a certificate of that authority.
    """

    cert_file: str
    key_file: str
    min_version: str = "tls12"
    client_ca_file: str = ""


class Forwarded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose X-Forwarded-For is believed: proxies in `networks`, all but the last `hop_skips`."""

    networks: list[str]
    hop_skips: int = 0
    reject_strangers: bool = True  # a request with the header from anybody else is refused
    reject_absent: bool = True  # and so is one without it


class ProxyProtocol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Connections begin with a header that names the client. Which proxies are believed."""

    behavior: str  # use_always, allow_authorized or deny_unauthorized
    networks: list[str] = []


class SocketFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a Unix socket is, and whose: who may write to the file may connect. -1: as it comes."""

    path: str
    mode: int = 0o600
    owner: int = -1
    group: int = -1


class Listener(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One address that workers serve. `tls` None means plain HTTP, asked for by name.

    One with a `file` is a Unix socket, has neither host nor port, and never TLS.
    """

    host: str
    port: int
    tls: TLS | None = None
    header_timeout: float = 30.0  # seconds
    body_timeout: float = 30.0  # seconds
    max_body: int = 32 * 1024 * 1024  # bytes; a route may take less
    max_strings: int = 1000  # in the JSON of a body
    forwarded: Forwarded | None = None
    proxy_protocol: ProxyProtocol | None = None
    headers: dict[str, dict[str, str]] = {}  # by status: default, 2xx or 200
    closed_rekey: bool = False  # the paths that need no token are not served
    closed_generate_root: bool = False
    file: SocketFile | None = None

    @property
    def address(self) -> str:
        """`host:port`, brackets around IPv6; the path of a Unix socket."""
        if self.file is not None:
            return self.file.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """How a client reaches it."""
        if self.file is not None:
            return f"unix://{self.file.path}"
        return f"{'https' if self.tls else 'http'}://{self.address}"


class AuditDevice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An audit device that the configuration declares."""

    kind: str
    path: str
    description: str = ""
    options: dict[str, str] = {}


class SealStanza(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An automatic seal that the configuration declares, or gives up where it is `disabled`."""

    kind: str
    identity: str = ""
    disabled: bool = False
    options: dict[str, str] = {}  # keys and tokens among them

    def __repr__(self) -> str:
        return f"SealStanza({self.kind!r})"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole configuration. Times are seconds."""

    data_path: str
    listeners: list[Listener]
    audit: list[AuditDevice] = []
    seals: list[SealStanza] = []
    workers: int = 1
    pin_workers: bool = True  # to processors, where these can have as many workers each
    api_addr: str = ""
    cluster_name: str = ""
    log_level: str = "info"
    log_format: str = "standard"
    loggers: dict[str, str] = {}  # levels of single loggers, asked for while running
    default_lease_ttl: int = 32 * DAY
    max_lease_ttl: int = 32 * DAY
    low_water: int = 64 * 1024 * 1024  # free bytes below which new data is refused
    drain: float = 5.0  # how long a graceful stop waits for requests in flight

    def without_keys(self) -> "Settings":
        """The same for a process that is no custodian: seals by name, without their options."""
        seals = [msgspec.structs.replace(seal, options={}) for seal in self.seals]
        return msgspec.structs.replace(self, seals=seals)
