"""The configuration as `sys/config/state/sanitized` shows it: Vault's names, and no secret."""

from collections.abc import Mapping
from typing import Any, Final

from custody.serve.settings import Listener, Settings

_UNUSED: Final[Mapping[str, Any]] = {
    "allow_audit_log_prefixing": False,
    "cache_size": 0,
    "cluster_addr": "",
    "cluster_cipher_suites": "",
    "default_max_request_duration": 0,
    "detect_deadlocks": "",
    "disable_cache": False,
    "disable_indexing": False,
    "disable_performance_standby": False,
    "disable_printable_check": False,
    "disable_sealwrap": False,
    "disable_sentinel_trace": False,
    "enable_response_header_hostname": False,
    "enable_response_header_raft_node_id": False,
    "enable_ui": False,
    "imprecise_lease_role_tracking": False,
    "introspection_endpoint": False,
    "log_requests_level": "",
    "pid_file": "",
    "plugin_directory": "",
    "plugin_file_permissions": 0,
    "plugin_file_uid": 0,
    "raw_storage_endpoint": False,
    "unsafe_allow_api_audit_creation": False,
    "unsafe_cross_namespace_identity": False,
}
"""What clients look for and no server of this kind has: as it is where nobody has set it."""


def sanitized(settings: Settings) -> Mapping[str, Any]:
    """What a server was started with. Options of seals and devices may hold keys: only names."""
    seals = [{"type": seal.kind, "disabled": seal.disabled} for seal in settings.seals]
    return {
        **_UNUSED,
        "api_addr": settings.api_addr,
        "cluster_name": settings.cluster_name,
        "default_lease_ttl": settings.default_lease_ttl,
        "max_lease_ttl": settings.max_lease_ttl,
        "disable_clustering": True,
        "log_level": settings.log_level,
        "log_format": settings.log_format,
        "listeners": [_listener(one) for one in settings.listeners],
        "storage": {
            "type": "lmdb",
            "cluster_addr": "",
            "redirect_addr": settings.api_addr,
            "disable_clustering": True,
        },
        "seals": seals or [{"type": "shamir", "disabled": False}],
        "audits": [
            {
                "type": one.kind,
                "path": f"{one.path.strip('/')}/",
                "description": one.description,
            }
            for one in settings.audit
        ],
        "workers": settings.workers,
        "pin_workers": settings.pin_workers,
        "shutdown_timeout": settings.drain,
    }


def _listener(listener: Listener) -> Mapping[str, Any]:
    config: dict[str, Any] = {
        "address": listener.address,
        "tls_disable": listener.tls is None,
        "tls_min_version": "" if listener.tls is None else listener.tls.min_version,
        "max_request_size": listener.max_body,
        "max_request_json_strings": listener.max_strings,
    }
    if listener.file is None:
        return {"type": "tcp", "config": config}
    return {"type": "unix", "config": {**config, "socket_mode": f"{listener.file.mode:04o}"}}
