"""A worker's process: HTTP on every listener, until the supervisor asks it to stop."""

import asyncio

from custody.base.ids import PooledSource
from custody.serve.edge import Edge, in_flight
from custody.serve.handoff import raise_file_limit
from custody.serve.idle import keep_room
from custody.serve.listeners import Serving, connection_limit
from custody.serve.member import Member, start

_POLL = 0.01  # seconds between looks at the requests in flight while stopping


async def run(member: Member) -> None:
    """Serve until asked to stop, then finish what is in flight; the supervisor sets the deadline.

    It accepts nobody before it knows from the custodian whether the node is sealed.
    """
    source, listeners = PooledSource(), member.given.settings.listeners
    edges = [Edge(listener, member.node, source) for listener in listeners]
    connections = connection_limit(raise_file_limit(), len(member.given.listeners))
    await member.join()
    serving = [
        Serving(listener, fd, edge.application, connections)
        for listener, fd, edge in zip(listeners, member.given.listeners, edges, strict=True)
    ]
    room = asyncio.create_task(keep_room(member.given.listeners, connections))
    member.ready()
    stopping = asyncio.create_task(member.stopping.wait())
    await asyncio.wait(
        [stopping, *(one.task for one in serving)], return_when=asyncio.FIRST_COMPLETED
    )
    room.cancel()
    await asyncio.gather(*(one.stop() for one in serving))
    while in_flight(edges):  # noqa: ASYNC110 - a counter on the hot path is cheaper than an event
        await asyncio.sleep(_POLL)


if __name__ == "__main__":
    start(run)
