"""Telling the service manager how the node is: systemd's protocol of sd_notify(3)."""

import logging
import socket

READY = "READY=1"
STOPPING = "STOPPING=1"
SEALED = "STATUS=Sealed"
UNSEALED = "STATUS=Unsealed"
_log = logging.getLogger(__name__)


class Notifier:
    """Sends states to the socket that the service manager named; to nobody where it named none."""

    def __init__(self, address: str) -> None:
        """`address` is a path, or begins with @ for an abstract name."""
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def tell(self, state: str) -> None:
        """Send `state`. A manager that does not listen is logged and nothing else."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
                line.settimeout(1.0)
                line.sendto(state.encode(), self._address)
        except OSError as error:
            _log.warning("cannot tell the service manager: %s", error.strerror)
