"""What built-in mounts are given beside the rows of the store."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from custody.audit.table import Declared
from custody.base.secret import Secret
from custody.core.batch import BatchTokens
from custody.core.wrap_jwt import WrappingKey
from custody.plugin.route import Engine
from custody.seals.plan import Plan

NO_TOKEN: Final = Secret("")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration says and handlers may know."""

    default_lease_ttl: int = 2_764_800  # seconds: 768 h
    max_lease_ttl: int = 2_764_800
    cluster_name: str = ""
    api_addr: str = ""
    storage_type: str = "lmdb"
    data_path: str = ""  # empty: the store is not in files
    sanitized: Mapping[str, object] = field(default_factory=dict)  # the configuration, no secrets
    declared_audit: Mapping[str, Declared] = field(default_factory=dict)
    seals: Plan = field(default_factory=Plan)
    closed_rekey: bool = False  # without a token
    closed_generate_root: bool = False


@dataclass(frozen=True, slots=True)
class Desk:
    """What built-in mounts need beside the store.

    The two hashes turn tokens and accessors into the keys under which they are stored.
    """

    token_hash: Callable[[str], bytes]
    accessor_hash: Callable[[str], bytes]
    settings: Settings
    catalog: Mapping[str, Engine]
    batch: BatchTokens
    wrapping_key: WrappingKey
