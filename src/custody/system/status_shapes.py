"""The shapes of what a node tells anybody: its health, its seal, its keys once, and its leader."""

from typing import NotRequired, TypedDict


class Health(TypedDict):
    """The state of a node. The cluster has a name once the store is initialised."""

    initialized: bool
    sealed: bool
    standby: bool
    performance_standby: bool
    replication_performance_mode: str
    replication_dr_mode: str
    server_time_utc: int
    version: str
    cluster_name: NotRequired[str]
    cluster_id: NotRequired[str]


class SealStanding(TypedDict):
    """How far the unseal is."""

    type: str
    initialized: bool
    sealed: bool
    t: int
    n: int
    progress: int
    nonce: str
    version: str
    build_date: str
    commit_date: str
    migration: bool
    recovery_seal: bool
    storage_type: str
    recovery_seal_type: NotRequired[str]
    unseal_error: NotRequired[str]
    cluster_name: NotRequired[str]
    cluster_id: NotRequired[str]


class _SealHealth(TypedDict):
    healthy: bool
    unhealthy_since: NotRequired[str]


class SealBackend(_SealHealth):
    """A seal that the configuration names."""

    name: str
    configured: bool
    disabled: bool


class SealBackends(_SealHealth):
    """The configured seal, and whether it has wrapped all that it should."""

    backends: list[SealBackend]
    fully_wrapped: bool


class InitStatus(TypedDict):
    """Whether the store is initialised."""

    initialized: bool


class Initialised(TypedDict):
    """Keys and root token, shown this once."""

    keys: list[str]
    keys_base64: list[str]
    root_token: str
    recovery_keys: NotRequired[list[str]]
    recovery_keys_base64: NotRequired[list[str]]


class Leaderless(TypedDict):
    """There is only this node."""

    ha_enabled: bool


class Leader(Leaderless):
    """The same while it is sealed."""

    is_self: bool
    leader_address: str
    leader_cluster_address: str
    performance_standby: bool
    performance_standby_last_remote_wal: int
