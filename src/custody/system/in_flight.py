"""`sys/in-flight-req`: the requests that the process that answers is at work on.

Nothing is written down of a request for this: whoever asks looks for those that are in memory.
"""

import asyncio
import gc
from collections.abc import Mapping
from typing import Final, TypedDict

from custody.base.clock import rfc3339
from custody.core.act import Act
from custody.core.case import Case
from custody.plugin.request import Reply, Request
from custody.plugin.route import Op, Route, acts

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


async def in_flight(_request: Request, _act: Act) -> Reply:
    """Every request under way in this process, by its id."""
    cases = await asyncio.to_thread(_cases)
    return Reply(data={case.call.id: _shown(case) for case in cases})


def _cases() -> list[Case]:
    gc.collect()  # what is over and only not cleared away yet
    return [one for one in gc.get_objects() if type(one) is Case]


def _shown(case: Case) -> Mapping[str, object]:
    call = case.call
    return {
        "start_time": rfc3339(case.request.now_ns),
        "client_remote_address": f"{call.remote_address}:{call.remote_port}",
        "request_path": f"/v1/{call.path}",
        "request_method": _VERBS[call.op],
        "client_id": "" if case.request.caller is None else case.request.caller.entity_id,
    }


ROUTES: Final = (
    Route(
        "in-flight-req",
        {Op.READ: acts(in_flight, shows=dict[str, InFlight])},
        raw=True,
        help="The requests that the process that answers is at work on.",
    ),
)
