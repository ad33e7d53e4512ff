"""The configuration as it is shown: no key of a seal, no option of a device."""

from custody.serve.sanitized import sanitized
from custody.serve.settings import AuditDevice, Listener, SealStanza, Settings, SocketFile


def test_no_option_that_may_hold_a_secret_is_shown() -> None:
    shown = sanitized(
        Settings(
            data_path="/data",
            listeners=[Listener(host="127.0.0.1", port=8200)],
            audit=[AuditDevice(kind="file", path="f", options={"x": "planted"})],
            seals=[SealStanza(kind="static", options={"current_key": "planted"})],
        )
    )
    assert "planted" not in str(shown)
    assert shown["audits"] == [{"type": "file", "path": "f/", "description": ""}]
    assert shown["seals"] == [{"type": "static", "disabled": False}]
    assert shown["listeners"] == [
        {
            "type": "tcp",
            "config": {
                "address": "127.0.0.1:8200",
                "tls_disable": True,
                "tls_min_version": "",
                "max_request_size": 32 * 1024 * 1024,
                "max_request_json_strings": 1000,
            },
        }
    ]


def test_every_key_that_clients_know_is_there() -> None:
    shown = sanitized(Settings(data_path="/data", listeners=[], api_addr="https://a:8200"))
    assert shown.keys() >= {
        "allow_audit_log_prefixing", "api_addr", "cache_size", "cluster_addr",
        "cluster_cipher_suites", "cluster_name", "default_lease_ttl",
        "default_max_request_duration", "detect_deadlocks", "disable_cache", "disable_clustering",
        "disable_indexing", "disable_performance_standby", "disable_printable_check",
        "disable_sealwrap", "disable_sentinel_trace", "enable_response_header_hostname",
        "enable_response_header_raft_node_id", "enable_ui", "imprecise_lease_role_tracking",
        "introspection_endpoint", "listeners", "log_format", "log_level", "log_requests_level",
        "max_lease_ttl", "pid_file", "plugin_directory", "plugin_file_permissions",
        "plugin_file_uid", "raw_storage_endpoint", "seals", "storage",
        "unsafe_allow_api_audit_creation", "unsafe_cross_namespace_identity",
    }  # fmt: skip
    assert shown["storage"].keys() == {
        "type", "cluster_addr", "redirect_addr", "disable_clustering",
    }  # fmt: skip


def test_a_unix_socket_is_shown_as_one() -> None:
    listener = Listener("", 0, file=SocketFile("/run/s", 0o660))
    [shown] = sanitized(Settings(data_path="/data", listeners=[listener]))["listeners"]
    assert shown["type"] == "unix"
    assert (shown["config"]["address"], shown["config"]["socket_mode"]) == ("/run/s", "0660")
