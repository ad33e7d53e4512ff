"""The shapes of what is answered about mounts: `sys/mounts`, `sys/auth` and their tuning."""

from typing import NotRequired, TypedDict

from custody.plugin.shape import Keys


class _Config(TypedDict):
    default_lease_ttl: int
    max_lease_ttl: int
    force_no_cache: bool
    listing_visibility: NotRequired[str]
    audit_non_hmac_request_keys: NotRequired[list[str]]
    audit_non_hmac_response_keys: NotRequired[list[str]]
    passthrough_request_headers: NotRequired[list[str]]
    allowed_response_headers: NotRequired[list[str]]


class _Lockout(TypedDict):
    user_lockout_threshold: int
    user_lockout_duration: int
    user_lockout_counter_reset_duration: int
    user_lockout_disable: bool


class _AuthConfig(_Config):
    token_type: str
    user_lockout_config: NotRequired[_Lockout]


class _Mount(TypedDict):
    type: str
    description: str
    accessor: str
    uuid: str
    options: dict[str, str] | None
    local: bool
    seal_wrap: bool
    external_entropy_access: bool
    plugin_version: str
    running_plugin_version: str
    running_sha256: str
    deprecation_status: NotRequired[str]


class SecretMount(_Mount):
    """A secrets engine where it is mounted."""

    config: _Config


class AuthMount(_Mount):
    """An auth method where it is mounted."""

    config: _AuthConfig


class SecretAt(SecretMount):
    """The same for a path that falls into it."""

    path: str


class AuthAt(AuthMount):
    """The same for a path that falls into it."""

    path: str


class _Listed(TypedDict):
    type: str
    description: str


class ListedSecret(_Listed):
    """What of a secrets engine is told to a caller without a token."""

    options: dict[str, str]


class ListedAuth(_Listed):
    """What of an auth method is told to a caller without a token."""

    options: dict[str, str] | None


class SecretTune(_Config):
    """The configuration of a secrets mount as it takes effect."""

    description: str
    options: NotRequired[dict[str, str]]


class AuthTune(SecretTune):
    """The configuration of an auth mount as it takes effect."""

    token_type: str
    user_lockout_threshold: NotRequired[int]
    user_lockout_duration: NotRequired[int]
    user_lockout_counter_reset_duration: NotRequired[int]
    user_lockout_disable: NotRequired[bool]


class Unmount(TypedDict):
    """How far the deletion of a disabled mount's data is."""

    path: str
    type: str
    accessor: str
    state: str
    rows_deleted: int
    started_time: str
    finished_time: str


class Unmounts(Keys):
    """The mounts that were disabled."""

    key_info: dict[str, Unmount]
