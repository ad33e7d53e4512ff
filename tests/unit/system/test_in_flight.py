"""`sys/in-flight-req`: who is being answered."""

from typing import Any

from tests.unit.core.stage import Stage


async def test_the_requests_under_way_are_shown() -> None:
    async with Stage() as stage:
        seen: dict[str, Any] = {}

        async def look() -> None:
            found = await stage.expect(200, "GET", "sys/in-flight-req", token=stage.root_token)
            seen.update(found.json)

        stage.probe.before_end = look
        path = "probe/stalled/a"
        await stage.expect(204, "POST", path, token=stage.root_token, body={})
        paths = {one["request_path"]: one for one in seen.values()}
        assert paths.keys() >= {"/v1/probe/stalled/a", "/v1/sys/in-flight-req"}
        assert (
            paths["/v1/probe/stalled/a"].items()
            >= {
                "request_method": "PUT",
                "client_remote_address": "127.0.0.1:40000",
                "client_id": "",
            }.items()
        )
        again = await stage.expect(200, "GET", "sys/in-flight-req", token=stage.root_token)
        now = {one["request_path"] for one in again.json.values()}
        assert "/v1/sys/in-flight-req" in now
        assert "/v1/probe/stalled/a" not in now
        assert stage.parts.running == {}


async def test_a_request_that_was_refused_is_under_way_no_longer() -> None:
    async with Stage() as stage:
        await stage.expect(404, "GET", "probe/nowhere", token=stage.root_token)
        await stage.expect(403, "GET", "secret/data/a", token="none")
        assert stage.parts.running == {}
