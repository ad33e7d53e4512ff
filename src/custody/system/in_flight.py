"""`sys/in-flight-req`: the requests that the process that answers is at work on."""

from typing import Final, TypedDict

from custody.base.clock import rfc3339
from custody.core.act import Act
from custody.core.call import Call
from custody.plugin.request import Reply, Request
from custody.plugin.route import Op, Route, acts

_UNNAMED: Final = "@"  # who came by a Unix socket
_VERBS: Final = {
    Op.READ: "GET",
    Op.LIST: "LIST",
    Op.SCAN: "SCAN",
    Op.WRITE: "PUT",
    Op.PATCH: "PATCH",
    Op.DELETE: "DELETE",
}


class InFlight(TypedDict):
    """A request under way."""

    start_time: str
    client_remote_address: str
    request_path: str
    request_method: str
    client_id: str


async def in_flight(_request: Request, act: Act) -> Reply:
    """Every request under way in this process, by its id."""
    running = act.parts.running.items()
    return Reply(data={name: _shown(call, since_ns) for name, (call, since_ns) in running})


def _shown(call: Call, since_ns: int) -> InFlight:
    return {
        "start_time": rfc3339(since_ns),
        "client_remote_address": f"{call.remote_address}:{call.remote_port}"
        if call.remote_address
        else _UNNAMED,
        "request_path": f"/v1/{call.path}",
        "request_method": _VERBS[call.op],
        "client_id": "",  # of an entity, which there is none of yet
    }


ROUTES: Final = (
    Route(
        "in-flight-req",
        {Op.READ: acts(in_flight, shows=dict[str, InFlight])},
        raw=True,
        help="The requests that the process that answers is at work on.",
    ),
)
