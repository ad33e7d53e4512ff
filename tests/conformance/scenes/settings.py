"""What operators set, and what is told of it: headers, origins, loggers, audit."""

import tempfile
from typing import Final

from tests.conformance.recorder import Record, RecordingServer


async def headers(record: Record) -> None:
    """Headers of the user interface and of audit records."""
    async with RecordingServer(record) as server:
        ask = server.ask
        await ask("POST", "sys/config/ui/headers/X-A", values=["a", "b"])
        await ask("GET", "sys/config/ui/headers/X-A")
        await ask("GET", "sys/config/ui/headers/X-A?multivalue=true")
        await ask("LIST", "sys/config/ui/headers")
        await ask("POST", "sys/config/auditing/request-headers/X-B", 204, hmac=True)
        await ask("GET", "sys/config/auditing/request-headers/X-B")
        await ask("GET", "sys/config/auditing/request-headers")


async def origins(record: Record) -> None:
    """Origins of pages, allowed and not looked at."""
    async with RecordingServer(record) as server:
        await server.ask("GET", "sys/config/cors")
        await server.ask("POST", "sys/config/cors", 204, allowed_origins=["https://a.example"])
        await server.ask("GET", "sys/config/cors")


async def watched(record: Record) -> None:
    """Audit devices, loggers, and the counters."""
    with tempfile.TemporaryDirectory() as place:
        async with RecordingServer(record) as server:
            options = {"file_path": f"{place}/audit.log"}
            await server.ask("POST", "sys/audit/file", 204, type="file", options=options)
            await server.ask("GET", "sys/audit")
            await server.ask("POST", "sys/audit-hash/file", input="x")
            for path in ("loggers", "loggers/core", "metrics", "metrics?format=prometheus"):
                await server.ask("GET", f"sys/{path}")


SCENES: Final = (headers, origins, watched)
