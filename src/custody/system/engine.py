"""The built-in mount `sys/`: its subjects' routes in one table."""

from typing import Final

from custody.plugin.route import Engine
from custody.system import (
    audit,
    capabilities,
    interface,
    metrics,
    mounts,
    policies,
    remount,
    seal,
    status,
    tune,
    verify,
)

ENGINE: Final = Engine(
    kind="system",
    routes=(
        *status.ROUTES,
        *seal.ROUTES,
        *capabilities.ROUTES,
        *policies.ROUTES,
        *tune.ROUTES,
        *mounts.ROUTES,
        *remount.ROUTES,
        *interface.ROUTES,
        *audit.ROUTES,
        *metrics.ROUTES,
        *verify.ROUTES,
    ),
    help="Control of the server itself.",
    system=True,
)
