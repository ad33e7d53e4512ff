"""The built-in mount `sys/`: its subjects' routes in one table."""

from typing import Final

from custody.plugin.route import Engine
from custody.system import (
    audit,
    capabilities,
    cors,
    facts,
    generate_root,
    headers,
    interface,
    leaked,
    leases,
    metrics,
    mounts,
    passwords,
    plugins,
    policies,
    rekey,
    remount,
    seal,
    status,
    tools,
    tune,
    verify,
    wrapping,
)

ENGINE: Final = Engine(
    kind="system",
    routes=(
        *status.ROUTES,
        *seal.ROUTES,
        *rekey.ROUTES,
        *generate_root.ROUTES,
        *capabilities.ROUTES,
        *policies.ROUTES,
        *tune.ROUTES,
        *mounts.ROUTES,
        *remount.ROUTES,
        *interface.ROUTES,
        *plugins.ROUTES,
        *leases.ROUTES,
        *tools.ROUTES,
        *passwords.ROUTES,
        *headers.ROUTES,
        *cors.ROUTES,
        *facts.ROUTES,
        *audit.ROUTES,
        *metrics.ROUTES,
        *verify.ROUTES,
        *wrapping.ROUTES,
        *leaked.ROUTES,
    ),
    help="Control of the server itself.",
    system=True,
)
