"""The seals there are beside Shamir's, by the word that a configuration knows each by.

To add one (a cloud's KMS, a PKCS#11 module) is to write a module with a `Seal`, and its row here.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from custody.base.errors import BadRequest
from custody.base.ids import Source
from custody.base.json_client import JSONClient, TLSFiles
from custody.base.secret import Secret
from custody.crypto import aead
from custody.seals.seal import Seal
from custody.seals.static import KIND as STATIC
from custody.seals.static import StaticSeal
from custody.seals.transit import KIND as TRANSIT
from custody.seals.transit import TIMEOUT, TransitKey, TransitSeal

Options = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SealKind:
    """One kind: its options, and how it is made. Those in `secrets` may be in files of their own.

    `variables` are names of the environment that win over an option, without their prefix, and
    `fallbacks` those that fill in for one that is not given.
    """

    options: Mapping[str, str]  # and what each is for
    needed: tuple[str, ...]
    secrets: tuple[str, ...]
    make: Callable[[Options, Source], Seal]
    identity: Callable[[Options], str]
    variables: Mapping[str, tuple[str, ...]]
    fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def _static(options: Options, source: Source) -> Seal:
    current = options["current_key_id"]
    keys = {current: _key(options["current_key"], "current_key")}
    previous = options.get("previous_key_id", "")
    if bool(previous) != bool(options.get("previous_key")):
        raise BadRequest("previous_key_id and previous_key belong together")
    if previous == current:
        raise BadRequest("previous_key_id is the same as current_key_id")
    if previous:
        keys[previous] = _key(options["previous_key"], "previous_key")
    try:
        return StaticSeal(current, keys, source)
    except ValueError as error:
        raise BadRequest(str(error)) from None


def _key(text: str, option: str) -> bytes:
    """A key of 32 bytes as text: hex or base64. Raises BadRequest, which never shows it."""
    text = text.strip()
    for read in (bytes.fromhex, lambda given: base64.b64decode(given, validate=True)):
        try:
            key = read(text)
        except (ValueError, binascii.Error):
            continue
        if len(key) == aead.KEY_SIZE:
            return key
    raise BadRequest(f"{option} is not a key of {aead.KEY_SIZE} bytes in hex or base64")


def _transit(options: Options, source: Source) -> Seal:
    files = TLSFiles(
        options.get("tls_ca_cert", ""),
        options.get("tls_client_cert", ""),
        options.get("tls_client_key", ""),
        options.get("tls_server_name", ""),
        _flag(options, "tls_skip_verify"),
    )
    try:
        client = JSONClient(options["address"], files, TIMEOUT)
    except ValueError as error:
        raise BadRequest(f"address: {error}") from None
    except OSError as error:
        raise BadRequest(f"the files for TLS cannot be used: {error.strerror}") from None
    return TransitSeal(_transit_key(options), client, source)


def _transit_key(options: Options) -> TransitKey:
    token = options.get("token", "")
    if not token.isascii() or not token.isprintable():
        raise BadRequest("token holds characters that cannot be sent")
    return TransitKey(
        address=options.get("address", ""),
        mount=options.get("mount_path", "transit").strip("/"),
        name=options.get("key_name", ""),
        token=Secret(token),
        namespace=options.get("namespace", "").strip("/"),
        renew=not _flag(options, "disable_renewal"),
    )


def _flag(options: Options, name: str) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False, "": False}
    text = options.get(name, "").lower()
    if text not in known:
        raise BadRequest(f"{name} is true or false")
    return known[text]


KINDS: Final[Mapping[str, SealKind]] = {
    STATIC: SealKind(
        options={
            "current_key_id": "The name of the key that wraps.",
            "current_key": "That key: 32 bytes in hex or base64, `file://PATH`, `env://VARIABLE`.",
            "previous_key_id": "The name of the key before it, which opens what it wrapped.",
            "previous_key": "That key.",
        },
        needed=("current_key_id", "current_key"),
        secrets=("current_key", "previous_key"),
        make=_static,
        identity=lambda _options: "",
        variables={
            name: (f"STATIC_SEAL_{name.upper()}",)
            for name in ("current_key_id", "current_key", "previous_key_id", "previous_key")
        },
    ),
    TRANSIT: SealKind(
        options={
            "address": "The URL of the other server.",
            "token": "A token there, also as `file://PATH` or `env://VARIABLE`.",
            "key_name": "The key in its transit engine.",
            "mount_path": "Where that engine is; `transit` unless set.",
            "namespace": "The namespace that it is in.",
            "disable_renewal": "Leave the token as it is; otherwise it is renewed.",
            "tls_ca_cert": "A PEM file of the authority that signed its certificate.",
            "tls_client_cert": "A PEM file with a certificate to show to it.",
            "tls_client_key": "A PEM file with the key of that.",
            "tls_server_name": "The name to expect in its certificate.",
            "tls_skip_verify": "Do not verify its certificate. Unsafe.",
        },
        needed=("address", "token", "key_name"),
        secrets=("token",),
        make=_transit,
        identity=lambda options: _transit_key({**options, "token": ""}).identity,
        variables={
            name: (f"TRANSIT_SEAL_{name.upper()}",)
            for name in ("key_name", "mount_path", "disable_renewal")
        },
        fallbacks={"address": ("ADDR",), "token": ("TOKEN",)},
    ),
}
