"""Reads a `listener` block: where to listen, with which certificate, and behind which proxies."""

import grp
import ipaddress
import os
import pwd
import re
from collections.abc import Callable
from typing import Final

import msgspec

from custody.http.custom import RESERVED, STATUS
from custody.http.limits import MAX_BODY_BYTES, MAX_JSON_STRINGS, SMALL_BODY_BYTES
from custody.serve.fields import BadConfiguration, Faults, Fields, Known, Placed
from custody.serve.keys import LISTENER, REFUSED_UNIX, UNIX
from custody.serve.known import IGNORED_LISTENER, REFUSED_LISTENER
from custody.serve.settings import TLS, Forwarded, Listener, ProxyProtocol, SocketFile

DEFAULT_PORT: Final = 8200
_KNOWN: Final = Known(LISTENER, IGNORED_LISTENER, REFUSED_LISTENER)
_KNOWN_UNIX: Final = Known(UNIX, IGNORED_LISTENER, {**REFUSED_LISTENER, **REFUSED_UNIX})
_MOST_STRINGS: Final = 100_000  # whose record is 8 MB
_LONGEST_PATH: Final = 107  # bytes that Linux takes, unix(7)
_MODE: Final = UNIX["socket_mode"].default
_OCTAL: Final = re.compile(r"0?[0-7]{3}")
_NOBODY: Final = (1 << 32) - 1  # no user has this number
_ALWAYS: Final = "use_always"
_BEHAVIORS: Final = (_ALWAYS, "allow_authorized", "deny_unauthorized")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.6.2


def read_listener(block: Placed, faults: Faults) -> tuple[Listener, list[str]]:
    """The listener of a block, and warnings; `faults` gets what is wrong with its fields.

    Raises BadConfiguration for what is no listener at all.
    """
    if block.labels not in (("tcp",), ("unix",)):
        raise BadConfiguration(f"{block.at}: unknown listener; this release has tcp and unix")
    fields = Fields.of(block, faults)
    if block.labels == ("unix",):
        warnings = faults.of(lambda: fields.check(_KNOWN_UNIX), list[str]())
        file = faults.of(lambda: _file(fields), SocketFile(""))
        return msgspec.structs.replace(_common(fields), file=file), warnings
    warnings = faults.of(lambda: fields.check(_KNOWN), list[str]())
    at = f"{block.at}, listener tcp"
    host, port = faults.of(lambda: _address(fields), ("127.0.0.1", 0))
    tls = faults.of(lambda: _tls(fields, host, at, warnings), None)
    listener = msgspec.structs.replace(
        _common(fields),
        host=host,
        port=port,
        tls=tls,
        forwarded=faults.of(lambda: _forwarded(fields), None),
        proxy_protocol=faults.of(lambda: _proxy_protocol(fields, at, warnings), None),
    )
    return listener, warnings


def _common(fields: Fields) -> Listener:
    """What listeners of every kind have."""
    return Listener(
        host="",
        port=0,
        header_timeout=float(
            fields.seconds("http_read_header_timeout", LISTENER["http_read_header_timeout"].default)
        ),
        body_timeout=float(
            fields.seconds("http_read_timeout", LISTENER["http_read_timeout"].default)
        ),
        max_body=_max_body(fields),
        max_strings=fields.number("max_request_json_strings", 0, 0, _MOST_STRINGS)
        or MAX_JSON_STRINGS,
        headers=fields.faults.of(lambda: _headers(fields), {}),
        closed_rekey=fields.flag("disable_unauthed_rekey_endpoints"),
        closed_generate_root=fields.flag("disable_unauthed_generate_root_endpoints"),
    )


def _file(fields: Fields) -> SocketFile:
    """The file of a Unix socket. Raises BadConfiguration."""
    path = fields.text("address")
    if not path.startswith("/"):
        raise fields.error("address", "the address of a Unix socket is a path that begins with /")
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise fields.error("address", f"the path of a socket is over {_LONGEST_PATH} bytes")
    mode = fields.text("socket_mode", _MODE)
    if not _OCTAL.fullmatch(mode):
        raise fields.error("socket_mode", f'"{mode}" is not a mode as in 0660')
    return SocketFile(
        path,
        int(mode, 8),
        _number(fields, "socket_user", lambda name: pwd.getpwnam(name).pw_uid),
        _number(fields, "socket_group", lambda name: grp.getgrnam(name).gr_gid),
    )


def _number(fields: Fields, key: str, find: Callable[[str], int]) -> int:
    """Of a user or group that is named, or numbered; -1 where it is not given."""
    name = fields.text(key)
    if not name:
        return -1
    if name.isascii() and name.isdigit() and int(name) < _NOBODY:
        return int(name)
    try:
        return find(name)
    except (KeyError, ValueError):
        raise fields.error(key, f'there is no {key.removeprefix("socket_")} "{name}"') from None


def _address(fields: Fields) -> tuple[str, int]:
    """Host and port of `host:port`, `[v6]:port`, `:port` or `host`. Raises BadConfiguration."""
    text = fields.text("address", f"127.0.0.1:{DEFAULT_PORT}")
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = text, str(DEFAULT_PORT)
    host = host.removeprefix("[").removesuffix("]") or "0.0.0.0"  # noqa: S104 - asked for by ":port"
    if not port.isascii() or not port.isdigit() or int(port) >= 1 << 16:
        raise fields.error("address", f'"{text}" is not an address')
    return host, int(port)


def _tls(fields: Fields, host: str, at: str, warnings: list[str]) -> TLS | None:
    cert, key = fields.text("tls_cert_file"), fields.text("tls_key_file")
    if fields.flag("tls_disable"):
        if cert or key:
            warnings.append(f"{at}: tls_disable is set, so its certificate is not used")
        return None
    if not cert and not key and is_loopback(host):
        warnings.append(f"{at}: plain HTTP, since the address is loopback")
        return None
    if not cert or not key:
        raise BadConfiguration(
            f"{at}: tls_cert_file and tls_key_file are needed"
            " (or tls_disable = true, if plain HTTP is what you want)"
        )
    fields.faults.of(lambda: _check_readable(fields, "tls_cert_file"), None)
    fields.faults.of(lambda: _check_readable(fields, "tls_key_file"), None)
    if fields.choice("tls_max_version", "tls13", ("tls12", "tls13")) != "tls13":
        raise fields.error("tls_max_version", "this release cannot forbid TLS 1.3")
    oldest = fields.choice("tls_min_version", "tls12", ("tls12", "tls13"))
    return TLS(cert, key, oldest, _client_ca(fields))


def _client_ca(fields: Fields) -> str:
    """The authority of the clients, where only theirs are taken."""
    demanded, name = "tls_require_and_verify_client_cert", "tls_client_ca_file"
    if not fields.flag(demanded):
        if fields.text(name):
            raise fields.error(name, f"{name} needs {demanded} = true")
        return ""
    if not fields.text(name):
        raise fields.error(demanded, f"{demanded} needs {name}, the authority of the clients")
    _check_readable(fields, name)
    return fields.text(name)


def _check_readable(fields: Fields, name: str) -> None:
    if not os.access(fields.text(name), os.R_OK):
        raise fields.error(name, f"cannot read {fields.text(name)}")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a listener on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _max_body(fields: Fields) -> int:
    """`max_request_size`; 0 means the default, as in Vault, and more than that is nowhere taken."""
    if fields.number("max_request_size", 0, 0, MAX_BODY_BYTES) == 0:
        return MAX_BODY_BYTES
    return fields.number("max_request_size", 0, SMALL_BODY_BYTES, MAX_BODY_BYTES)


def _networks(fields: Fields, key: str) -> list[str]:
    networks = fields.texts(key)
    for text in networks:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise fields.error(key, f'"{text}" is not a network: {error}') from error
    return networks


def _proxy_protocol(fields: Fields, at: str, warnings: list[str]) -> ProxyProtocol | None:
    key, whose = "proxy_protocol_behavior", "proxy_protocol_authorized_addrs"
    behavior = fields.choice(key, "", ("", *_BEHAVIORS))
    networks = _networks(fields, whose)
    if not behavior:
        if networks:
            raise fields.error(whose, f"{whose} needs {key}")
        return None
    if behavior == _ALWAYS and networks:
        warnings.append(f"{at}: {key} is {_ALWAYS}, so {whose} means nothing")
    if behavior != _ALWAYS and not networks:
        raise fields.error(key, f"{key} needs {whose} with {behavior}")
    return ProxyProtocol(behavior, networks)


def _forwarded(fields: Fields) -> Forwarded | None:
    networks = _networks(fields, "x_forwarded_for_authorized_addrs")
    if not networks:
        for key in ("hop_skips", "reject_not_authorized", "reject_not_present"):
            if fields.has(f"x_forwarded_for_{key}"):
                raise fields.error(
                    f"x_forwarded_for_{key}",
                    f"x_forwarded_for_{key} needs x_forwarded_for_authorized_addrs",
                )
        return None
    return Forwarded(
        networks=networks,
        hop_skips=fields.number("x_forwarded_for_hop_skips", 0, 0, 100),
        reject_strangers=fields.flag("x_forwarded_for_reject_not_authorized", default=True),
        reject_absent=fields.flag("x_forwarded_for_reject_not_present", default=True),
    )


def _headers(fields: Fields) -> dict[str, dict[str, str]]:
    """Headers by status: `default`, a class as in `2xx`, or a status. Raises BadConfiguration."""
    key = "custom_response_headers"
    read: dict[str, dict[str, str]] = {}
    for status, headers in fields.mapping(key).items():
        if not STATUS.fullmatch(status):
            raise fields.error(key, f'"{status}" is not default, a class (2xx) or a status (200)')
        named = _one(headers)
        if not isinstance(named, dict):
            raise fields.error(key, f"{status} is a block of headers")
        read[status] = {
            _checked_name(fields, str(name)): _value(fields, str(name), value)
            for name, value in named.items()
        }
    return read


def _checked_name(fields: Fields, name: str) -> str:
    lowered = name.lower()
    if not _HEADER_NAME.fullmatch(name):
        raise fields.error("custom_response_headers", f'"{name}" is not the name of a header')
    if lowered in RESERVED or lowered.startswith("x-vault-"):
        raise fields.error("custom_response_headers", f"{name} is set by the server alone")
    return lowered


def _value(fields: Fields, name: str, value: object) -> str:
    texts = value if isinstance(value, list) else [value]
    read = [text for text in texts if isinstance(text, str)]
    if not read or len(read) != len(texts):
        raise fields.error("custom_response_headers", f"{name} is a list of texts")
    if not all(map(_is_value, read)):
        raise fields.error(
            "custom_response_headers", f"{name} holds characters that no header may have"
        )
    return "; ".join(read)


def _is_value(text: str) -> bool:
    return text.isprintable() and text.isascii()


def _one(value: object) -> object:
    return value[0] if isinstance(value, list) and len(value) == 1 else value
