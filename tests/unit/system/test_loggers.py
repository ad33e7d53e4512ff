"""`sys/loggers`: levels while the server runs."""

import logging
from collections.abc import Iterator

import pytest

from custody.base import log
from custody.testing.server import MemoryServer

PATH = "sys/loggers"


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    """Leave the levels of the test process as they were."""
    before = logging.getLogger().level
    log.set_levels("info", {})
    yield
    log.set_levels("info", {})
    logging.getLogger().setLevel(before)


async def test_levels_are_set_for_all_and_for_one_and_go_back() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        found = (await server.expect(200, "GET", PATH, token=root)).data
        assert found == dict.fromkeys(log.LOGGERS, "info")
        await server.expect(204, "POST", f"{PATH}/core", token=root, body={"level": "debug"})
        found = (await server.expect(200, "GET", PATH, token=root)).data
        assert (found["core"], found["http"]) == ("debug", "info")
        assert (await server.expect(200, "GET", f"{PATH}/core", token=root)).data == {
            "core": "debug"
        }
        await server.expect(204, "DELETE", f"{PATH}/core", token=root)
        assert (await server.expect(200, "GET", PATH, token=root)).data["core"] == "info"
        await server.expect(204, "POST", PATH, token=root, body={"level": "error"})
        found = (await server.expect(200, "GET", PATH, token=root)).data
        assert set(found.values()) == {"error"}
        await server.expect(204, "DELETE", PATH, token=root)
        found = (await server.expect(200, "GET", PATH, token=root)).data
        assert set(found.values()) == {"info"}
        assert (await server.expect(200, "GET", f"{PATH}/nope", token=root)).data == {}


@pytest.mark.parametrize(
    ("method", "path", "body", "text"),
    [
        ("POST", PATH, {"level": "bad"}, "invalid level provided: unknown log level: bad"),
        ("POST", PATH, {}, "level is required"),
        ("POST", f"{PATH}/core", {"level": "bad"},
         "invalid level provided: unknown log level: bad"),
        ("POST", f"{PATH}/nope", {"level": "debug"}, 'logger "nope" not found'),
        ("DELETE", f"{PATH}/nope", None, 'logger "nope" not found'),
    ],
)  # fmt: skip
async def test_what_cannot_be_says_why(
    method: str, path: str, body: dict[str, object] | None, text: str
) -> None:
    async with MemoryServer() as server:
        answer = await server.expect(400, method, path, token=server.root_token, body=body)
        assert answer.errors == [text]
