"""A mount's configuration as clients write and read it, and the rules on its values."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from msgspec.structs import replace

from custody import __version__
from custody.base.duration import parse_seconds
from custody.base.errors import BadRequest
from custody.core.confine import SystemRows
from custody.core.mounts import AUTH, TOKENS, Lockout, MountConfig, MountEntry
from custody.plugin.fields import Duration, Fields, Pairs, Strings

RUNNING: Final = f"v{__version__}+builtin.custody"
TOKEN_TYPES: Final = ("service", "batch", "default-service", "default-batch")
_LISTING: Final = ("", "hidden", "unauth")
_SYSTEM: Final = "system"  # a TTL that follows the system's
_MAX_TTL: Final = 2**31  # seconds


class TuneFields(Fields, frozen=True, kw_only=True):
    """What may be tuned; what is absent stays. A TTL may also be `system`."""

    default_lease_ttl: Annotated[
        str | None,
        "How long leases and tokens usually live, in seconds; 0: as the system's.",
    ] = None
    max_lease_ttl: Annotated[
        str | None, "How long they may live at most, in seconds; 0: as the system's."
    ] = None
    description: Annotated[str | None, "What the mount is for."] = None
    force_no_cache: Annotated[bool | None, "Kept for clients; nothing is cached."] = None
    listing_visibility: Annotated[
        str | None, "Whether callers without a token are told of the mount: `unauth`, or `hidden`."
    ] = None
    audit_non_hmac_request_keys: Annotated[
        Strings | None, "Fields of requests whose values audit records show in clear."
    ] = None
    audit_non_hmac_response_keys: Annotated[
        Strings | None, "Fields of answers whose values audit records show in clear."
    ] = None
    passthrough_request_headers: Annotated[
        Strings | None, "Request headers that the engine is given; none here reads any yet."
    ] = None
    allowed_response_headers: Annotated[
        Strings | None, "Headers that the engine may set on answers; none here does yet."
    ] = None
    options: Annotated[Pairs | None, "Options of the engine, such as KV's `version`."] = None
    plugin_version: Annotated[
        str | None, "Refused unless empty: there is one version of each engine."
    ] = None
    token_type: Annotated[
        str | None,
        "What an auth method hands out: `service`, `batch`, `default-service`, `default-batch`.",
    ] = None
    user_lockout_config: Annotated[
        Mapping[str, Any] | None,
        "When users are locked out: `lockout_threshold`, `lockout_duration` (seconds), "
        "`lockout_counter_reset_duration`, `lockout_disable`.",
    ] = None


class LockoutFields(Fields, frozen=True, kw_only=True):
    """When users of an auth mount are locked out."""

    lockout_threshold: Annotated[int | None, "How many failed logins lock a user out."] = None
    lockout_duration: Annotated[Duration | None, "For how many seconds."] = None
    lockout_counter_reset_duration: Annotated[
        Duration | None, "After how many seconds without a failure they are counted anew."
    ] = None
    lockout_disable: Annotated[bool | None, "Whether nobody is locked out."] = None


def changed(config: MountConfig, path: str, fields: TuneFields) -> MountConfig:
    """The configuration of the mount at `path` with what `fields` say in its place.

    Whether its two TTLs fit each other is for the caller to check. Raises BadRequest.
    """
    config = replace(config, **_plain(fields))
    if fields.default_lease_ttl is not None:
        config = replace(config, default_lease_ttl=_ttl(fields.default_lease_ttl))
    if fields.max_lease_ttl is not None:
        config = replace(config, max_lease_ttl=_ttl(fields.max_lease_ttl))
    if fields.token_type is not None:
        config = replace(config, token_type=_token_type(path, fields.token_type))
    if fields.user_lockout_config is not None:
        config = replace(config, lockout=_lockout(config.lockout, fields.user_lockout_config))
    return config


def show(config: MountConfig, *, auth: bool) -> dict[str, object]:
    """The configuration as it is stored: a TTL of 0 is the system's."""
    shown: dict[str, object] = {
        "default_lease_ttl": config.default_lease_ttl,
        "max_lease_ttl": config.max_lease_ttl,
        **_optional(config),
    }
    if auth:
        shown["token_type"] = config.token_type or "default-service"
    if config.lockout is not None:
        shown["user_lockout_config"] = _show_lockout(config.lockout)
    return shown


def show_tune(entry: MountEntry, rows: SystemRows) -> dict[str, object]:
    """The configuration as it takes effect: TTLs are those that are used."""
    config, settings = entry.config, rows.settings
    shown = {
        **_optional(config),
        "description": entry.description,
        "default_lease_ttl": config.default_lease_ttl or settings.default_lease_ttl,
        "max_lease_ttl": config.max_lease_ttl or settings.max_lease_ttl,
    }
    if entry.path.startswith(AUTH):
        shown["token_type"] = config.token_type or "default-service"
    if entry.options:
        shown["options"] = dict(entry.options)
    if config.lockout is not None:
        shown |= _show_lockout(config.lockout)
    return shown


def describe(entry: MountEntry) -> dict[str, object]:
    """A mount as clients read it."""
    builtin = entry.created_ns == 0
    shown: dict[str, object] = {
        "type": entry.kind,
        "description": entry.description,
        "accessor": entry.accessor,
        "uuid": entry.uuid,
        "config": show(entry.config, auth=entry.path.startswith(AUTH)),
        "options": dict(entry.options) or (None if builtin else {}),
        "local": entry.local,
        "seal_wrap": entry.seal_wrap,
        "external_entropy_access": False,
        "plugin_version": entry.config.plugin_version,
        "running_plugin_version": RUNNING,
        "running_sha256": "",
    }
    return shown if builtin else shown | {"deprecation_status": "supported"}


def _plain(fields: TuneFields) -> dict[str, Any]:
    """What is stored as it was given."""
    given: dict[str, Any] = {}
    for name in _PLAIN:
        value = getattr(fields, name)
        if value is not None:
            given[name] = tuple(value) if isinstance(value, list) else value
    if given.get("listing_visibility", "") not in _LISTING:
        raise BadRequest(f"invalid listing_visibility {given['listing_visibility']}")
    return given


_PLAIN: Final = (
    "force_no_cache",
    "listing_visibility",
    "audit_non_hmac_request_keys",
    "audit_non_hmac_response_keys",
    "passthrough_request_headers",
    "allowed_response_headers",
    "plugin_version",
)
_OPTIONAL: Final = tuple(name for name in _PLAIN[1:] if name != "plugin_version")


def _optional(config: MountConfig) -> dict[str, object]:
    shown: dict[str, object] = {"force_no_cache": config.force_no_cache}
    return shown | {name: value for name in _OPTIONAL if (value := getattr(config, name))}


def _ttl(text: str) -> int:
    seconds = 0 if text == _SYSTEM else parse_seconds(text)
    if not 0 <= seconds <= _MAX_TTL:
        raise BadRequest(f"a lease TTL is from 0 to {_MAX_TTL} seconds")
    return seconds


def _token_type(path: str, kind: str) -> str:
    if not path.startswith(AUTH):
        raise BadRequest("'token_type' can only be modified on auth mounts")
    if path == TOKENS.path:
        raise BadRequest("'token_type' cannot be set for 'token' or 'ns_token' auth mounts")
    if kind not in TOKEN_TYPES:
        raise BadRequest("invalid value for 'token_type'")
    return kind


def _lockout(lockout: Lockout | None, raw: Mapping[str, Any]) -> Lockout:
    lockout, (fields, _) = lockout or Lockout(), LockoutFields.read(raw)
    given = {
        "threshold": fields.lockout_threshold,
        "duration": fields.lockout_duration,
        "counter_reset": fields.lockout_counter_reset_duration,
        "disable": fields.lockout_disable,
    }
    for name, value in given.items():
        if value is not None and not 0 <= value <= _MAX_TTL:
            raise BadRequest(f"user lockout {name} is from 0 to {_MAX_TTL}")
    return replace(lockout, **{name: value for name, value in given.items() if value is not None})


def _show_lockout(lockout: Lockout) -> dict[str, object]:
    return {
        "user_lockout_threshold": lockout.threshold,
        "user_lockout_duration": lockout.duration,
        "user_lockout_counter_reset_duration": lockout.counter_reset,
        "user_lockout_disable": lockout.disable,
    }
