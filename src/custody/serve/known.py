"""Keys of Vault's and OpenBao's configuration that mean nothing here, or must not be ignored."""

from typing import Final

IGNORED: Final = frozenset(
    {
        "administrative_namespace_path",
        "allow_audit_log_prefixing",
        "allow_unauthenticated_workflows",
        "cache_size",
        "cluster_addr",
        "default_max_request_duration",
        "detect_deadlocks",
        "disable_cache",
        "disable_clustering",
        "disable_performance_standby",
        "disable_sealwrap",
        "disable_standby_reads",
        "enable_response_header_hostname",
        "enable_response_header_raft_node_id",
        "entropy",
        "experiments",
        "ha_storage",
        "imprecise_lease_role_tracking",
        "initialize",
        "introspection_endpoint",
        "kms_library",
        "license_path",
        "log_file",
        "log_requests_level",
        "log_rotate_bytes",
        "log_rotate_duration",
        "log_rotate_max_files",
        "pid_file",
        "plugin",
        "plugin_auto_download",
        "plugin_auto_register",
        "plugin_directory",
        "plugin_download_behavior",
        "plugin_file_permissions",
        "plugin_file_uid",
        "raw_storage_endpoint",
        "reporting",
        "service_registration",
        "telemetry",
        "ui",
        "unsafe_allow_api_audit_creation",
        "user_lockout",
    }
)
IGNORED_LISTENER: Final = frozenset(
    {
        "cluster_address",
        "disable_replication_status_endpoints",
        "http_idle_timeout",
        "http_write_timeout",
        "inflight_requests_logging",
        "max_request_duration",
        "max_request_json_memory",
        "profiling",
        "telemetry",
        "tls_acme_ca_directory",
        "tls_acme_ca_root",
        "tls_acme_cache_path",
        "tls_acme_disable_alpn_challenge",
        "tls_acme_disable_http_challenge",
        "tls_acme_domains",
        "tls_acme_eab_key_id",
        "tls_acme_eab_mac_key",
        "tls_acme_email",
        "tls_disable_client_certs",
        "tls_prefer_server_cipher_suites",
    }
)
IGNORED_STORAGE: Final = frozenset({"node_id"})
_REDACT: Final = "this release cannot hide it; keep the status paths from strangers by a proxy"
REFUSED_LISTENER: Final = {
    "chroot_namespace": "this release has no namespaces to confine a listener to",
    "redact_addresses": _REDACT,
    "redact_cluster_name": _REDACT,
    "redact_version": _REDACT,
    "tls_cipher_suites": "the suites cannot be chosen; all that are offered have forward secrecy"
    " and authenticated encryption",
}
