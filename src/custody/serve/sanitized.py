"""The configuration as `sys/config/state/sanitized` shows it: Vault's names, and no secret."""

from collections.abc import Mapping
from typing import Any

from custody.serve.settings import Listener, Settings


def sanitized(settings: Settings) -> Mapping[str, Any]:
    """What a server was started with. Options of seals and devices may hold keys: only names."""
    seals = [{"type": seal.kind, "disabled": seal.disabled} for seal in settings.seals]
    return {
        "api_addr": settings.api_addr,
        "cluster_addr": "",
        "cluster_name": settings.cluster_name,
        "default_lease_ttl": settings.default_lease_ttl,
        "max_lease_ttl": settings.max_lease_ttl,
        "disable_cache": False,
        "disable_clustering": True,
        "enable_ui": False,
        "raw_storage_endpoint": False,
        "log_level": settings.log_level,
        "log_format": settings.log_format,
        "listeners": [{"type": "tcp", "config": _listener(one)} for one in settings.listeners],
        "storage": {"type": "lmdb", "disable_clustering": True},
        "seals": seals or [{"type": "shamir", "disabled": False}],
        "audit": [
            {"type": one.kind, "path": one.path, "description": one.description}
            for one in settings.audit
        ],
        "workers": settings.workers,
        "shutdown_timeout": settings.drain,
    }


def _listener(listener: Listener) -> Mapping[str, Any]:
    return {
        "address": listener.address,
        "tls_disable": listener.tls is None,
        "tls_min_version": "" if listener.tls is None else listener.tls.min_version,
        "max_request_size": listener.max_body,
    }
