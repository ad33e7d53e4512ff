"""The built-in mount `sys/`: its subjects' routes in one table."""

from typing import Final

from custody.plugin.route import Engine
from custody.system import audit, capabilities, metrics, mounts, policies, seal, status, verify

ENGINE: Final = Engine(
    kind="system",
    routes=(
        *status.ROUTES,
        *seal.ROUTES,
        *capabilities.ROUTES,
        *policies.ROUTES,
        *mounts.ROUTES,
        *audit.ROUTES,
        *metrics.ROUTES,
        *verify.ROUTES,
    ),
    help="Control of the server itself.",
    system=True,
)
