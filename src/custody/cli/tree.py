"""The table of all commands: to add one is to add its row to a group's table."""

from collections.abc import Mapping
from types import MappingProxyType

from custody.cli import (
    audit,
    auth,
    cluster,
    completion,
    config,
    debug,
    doctor,
    generate_root,
    kv,
    kv_history,
    kv_metadata,
    lease,
    logical,
    login,
    monitor,
    operator,
    plugin,
    policy,
    rekey,
    rewrap,
    secrets,
    server,
    snapshot,
    status,
    token,
    told,
)
from custody.cli.command import Command

_TABLES = (
    audit.COMMANDS,
    auth.COMMANDS,
    cluster.COMMANDS,
    completion.COMMANDS,
    config.COMMANDS,
    debug.COMMANDS,
    doctor.COMMANDS,
    generate_root.COMMANDS,
    kv.COMMANDS,
    kv_history.COMMANDS,
    kv_metadata.COMMANDS,
    lease.COMMANDS,
    logical.COMMANDS,
    login.COMMANDS,
    monitor.COMMANDS,
    operator.COMMANDS,
    plugin.COMMANDS,
    policy.COMMANDS,
    rekey.COMMANDS,
    rewrap.COMMANDS,
    secrets.COMMANDS,
    server.COMMANDS,
    snapshot.COMMANDS,
    status.COMMANDS,
    token.COMMANDS,
    told.COMMANDS,
)

COMMANDS: Mapping[str, Command] = MappingProxyType(
    {command.name: command for table in _TABLES for command in table}
)

GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "": "Custody keeps secrets. These commands talk to a server over its HTTP API.",
        "audit": "Where every request is recorded.",
        "auth": "Auth methods and where they are.",
        "completion": "Complete commands and options in a shell.",
        "config": "The configuration of a server on this machine.",
        "kv": "Secrets in a key-value store.",
        "kv metadata": "What a store knows of a key apart from its data.",
        "lease": "Look up, renew and revoke leases.",
        "operator raft": "What clients of Raft storage know.",
        "operator raft snapshot": "The whole store as a file.",
        "operator snapshot": "The whole store as a file.",
        "operator": "Initialise, unseal, seal and maintain a server.",
        "plugin": "The catalogue of engines and methods.",
        "policy": "What tokens may do.",
        "print": "What the command line itself knows.",
        "secrets": "Secrets engines and where they are.",
        "token": "Make, inspect, renew and revoke tokens.",
    }
)
