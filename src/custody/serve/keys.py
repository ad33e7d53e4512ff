"""The keys of a configuration: what each is for, and what counts where it is not given.

The reader knows no key that is not in these tables, and the reference is made of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `default` is what counts where it is not given, as a reader would say it."""

    meaning: str
    default: str = ""


TOP: Final[Mapping[str, Key]] = {
    "storage": Key("Where the data are; exactly one block, of the kind `lmdb`.", "required"),
    "listener": Key("Where to listen; one block for each address, of the kind `tcp` or `unix`.",
                    "required"),
    "audit": Key('An audit device, as in `audit "file" "NAME" { … }`. It is enabled whenever'
                 " the server is unsealed; others can be enabled through the API.", "none"),
    "seal": Key("A seal that opens without people.", "Shamir's shares"),
    "api_addr": Key("How clients reach this server.", "the first listener"),
    "cluster_name": Key("The name that `sys/health` shows.", "made up"),
    "workers": Key("Processes that serve requests.", "one per core, at most 8"),
    "pin_workers": Key("Whether each worker keeps to one core, under `SCHED_BATCH`, where all cores"
                       " can have as many workers.", "true"),
    "default_lease_ttl": Key("How long a token lives that asks for no time.", "768h"),
    "max_lease_ttl": Key("How long a token lives at most.", "768h"),
    "audit_fsync": Key("When declared audit files are brought to the disk: `none`, `interval` or"
                       " `always`.", "interval"),
    "log_level": Key("How much is told on standard error: `trace`, `debug`, `info`, `warn` or"
                     " `error`.", "info"),
    "log_format": Key("How that is written: `standard` or `json`.", "standard"),
    "shutdown_timeout": Key("How long a stop waits for requests in flight.", "5s"),
    "disable_mlock": Key("Read for Vault's sake: memory is never locked here."),
}  # fmt: skip

STORAGE: Final[Mapping[str, Key]] = {
    "path": Key("The data directory, on a local disk.", "required"),
    "low_water_bytes": Key("Free space, in bytes, below which new data is refused with 507, while"
                           " reading, revoking and deleting go on.", "67108864"),
}  # fmt: skip

LISTENER: Final[Mapping[str, Key]] = {
    "address": Key("Address and port.", "127.0.0.1:8200"),
    "tls_cert_file": Key("The certificate and its chain, PEM. Needed unless the address is loopback"
                         " or `tls_disable` is set."),
    "tls_key_file": Key("Its private key, PEM."),
    "tls_min_version": Key("The oldest protocol spoken: `tls12` or `tls13`.", "tls12"),
    "tls_max_version": Key("Read for Vault's sake; `tls13` is the only value.", "tls13"),
    "tls_disable": Key("Plain HTTP, also on an address that is not loopback.", "false"),
    "tls_require_and_verify_client_cert": Key("Take only clients that show a certificate of the"
                                              " authority in `tls_client_ca_file`.", "false"),
    "tls_client_ca_file": Key("That authority, PEM."),
    "http_read_header_timeout": Key("How long a client may take to send its headers.", "30s"),
    "http_read_timeout": Key("How long a client may take to send its body.", "30s"),
    "max_request_size": Key("The largest body in bytes, up to 32 MiB; most routes take less.",
                            "33554432"),
    "max_request_json_strings": Key("How many names and texts the JSON of a body may hold, up to"
                                    " 100,000.", "1000"),
    "custom_response_headers": Key('Headers by status, as in `"default" = { "X-Frame-Options" ='
                                   ' ["DENY"] }`; of `default`, `4xx` and `404` the nearest'
                                   " wins.", "none"),
    "disable_unauthed_rekey_endpoints": Key("Rekeys want a token beside the shares. Said of one"
                                            " listener, it holds for all.", "false"),
    "disable_unauthed_generate_root_endpoints": Key("Root tokens want a token beside the shares."
                                                    " Said of one listener, it holds for all.",
                                                    "false"),
    "proxy_protocol_behavior": Key("Connections may begin with the header of the PROXY protocol,"
                                   " version 1 or 2: `use_always` believes everybody's,"
                                   " `allow_authorized` those of authorized proxies and skips"
                                   " others', `deny_unauthorized` hangs up on who is none.",
                                   "no header is read"),
    "proxy_protocol_authorized_addrs": Key("Networks of the proxies that are authorized."),
    "x_forwarded_for_authorized_addrs": Key("Networks of the proxies whose `X-Forwarded-For` names"
                                            " the client.", "none"),
    "x_forwarded_for_hop_skips": Key("How many proxies stand behind the one whose client is"
                                     " meant.", "0"),
    "x_forwarded_for_reject_not_authorized": Key("Refuse a request with the header from anybody"
                                                 " else.", "true"),
    "x_forwarded_for_reject_not_present": Key("Refuse a request without the header.", "true"),
}  # fmt: skip

_NO_TLS: Final = "a Unix socket is served without TLS: its file says who may connect"
_NO_PROXY: Final = "who connects to a Unix socket has no address by which a proxy could be believed"
_OF_ADDRESSES: Final = {
    **{name: _NO_TLS for name in LISTENER if name.startswith("tls_") and name != "tls_disable"},
    **{name: _NO_PROXY for name in LISTENER if name.startswith(("proxy_", "x_forwarded_"))},
}
UNIX: Final[Mapping[str, Key]] = {
    "address": Key("The path of the socket. A server that was killed leaves it behind, and it is"
                   " taken over where nobody serves it.", "required"),
    "socket_mode": Key("Permissions of that file, octal: who may write to it may connect.", "0600"),
    "socket_user": Key("Its owner, a name or a number.", "the server's user"),
    "socket_group": Key("Its group, a name or a number.", "the server's group"),
    "tls_disable": Key("Read for Vault's sake: a Unix socket is never served with TLS."),
    **{name: key for name, key in LISTENER.items()
       if name not in ("address", "tls_disable", *_OF_ADDRESSES)},
}  # fmt: skip
REFUSED_UNIX: Final = _OF_ADDRESSES

AUDIT: Final[Mapping[str, Key]] = {
    "description": Key("What it is for."),
    "local": Key("Read for Vault's sake: there is nothing that it could be replicated to."),
    "options": Key("What its kind takes, see below.", "required"),
}
DISABLED: Final = Key("Give this seal up, in a migration to another.", "false")  # of every seal
