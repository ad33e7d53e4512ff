"""Both versions of KV, and the cubbyhole."""

from typing import Final

from tests.conformance.recorder import Record, RecordingServer

DATA: Final = {"user": "u", "nested": {"a": 1}}


async def versioned(record: Record) -> None:
    """A secret with custom metadata and one without; versions that live and one that is gone."""
    async with RecordingServer(record) as server:
        ask = server.ask
        await ask("POST", "secret/config", 204, max_versions=5)
        await ask("GET", "secret/config")
        for tree in ("metadata", "detailed-metadata"):
            assert await ask("SCAN", f"secret/{tree}") == {}
        for path in ("bare", "known", "folder/deep"):
            await ask("POST", f"secret/data/{path}", data=DATA)
        await ask("POST", "secret/metadata/known", 204, custom_metadata={"owner": "me"})
        for path in ("bare", "known"):
            await ask("POST", f"secret/data/{path}", data=DATA)
            await ask("PATCH", f"secret/data/{path}", data={"more": 1})
            for tree in ("data", "subkeys", "metadata"):
                await ask("GET", f"secret/{tree}/{path}")
        for tree in ("metadata", "detailed-metadata"):
            await ask("LIST", f"secret/{tree}")
            await ask("SCAN", f"secret/{tree}")
        await ask("DELETE", "secret/data/known", 204)
        for tree in ("data", "subkeys"):
            await ask("GET", f"secret/{tree}/known", 404)


async def nowhere(record: Record) -> None:
    """The roots of the trees, where no secret can be, and settings that the mount overrules."""
    async with RecordingServer(record) as server:
        ask = server.ask
        for tree in ("delete", "undelete", "destroy"):
            await ask("POST", f"secret/{tree}", 404, versions=[1])
        for tree in ("data", "metadata"):
            await ask("DELETE", f"secret/{tree}", 404)
        await ask("POST", "secret/config", 204, cas_required=True)
        for method in ("POST", "PATCH"):
            await ask(method, "secret/metadata/a", cas_required=False)


async def plain(record: Record) -> None:
    """Version 1 and the cubbyhole."""
    async with RecordingServer(record) as server:
        await server.mount("plain", "kv-v1")
        assert await server.ask("SCAN", "plain") == {}
        for mount in ("plain", "cubbyhole"):
            await server.ask("POST", f"{mount}/a", 204, **DATA)
            await server.ask("GET", f"{mount}/a")
            await server.ask("LIST", mount)
        await server.ask("SCAN", "plain")


SCENES: Final = (versioned, nowhere, plain)
