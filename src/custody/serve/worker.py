"""A worker's process: HTTP on every listener, until the supervisor asks it to stop."""

import asyncio

from custody.base.ids import PooledSource
from custody.serve.acceptors import Acceptors
from custody.serve.handoff import raise_file_limit
from custody.serve.idle import keep_room
from custody.serve.listeners import connection_limit
from custody.serve.member import Member, start

_POLL = 0.01  # seconds between looks at the requests in flight while stopping


async def run(member: Member) -> None:
    """Serve until asked to stop, then finish what is in flight; the supervisor sets the deadline.

    It accepts nobody before it knows from the custodian whether the node is sealed.
    """
    fds = member.given.listeners
    connections = connection_limit(raise_file_limit(), len(fds))
    await member.join()
    acceptors = Acceptors(member.settings.listeners, fds, member.node, PooledSource(), connections)

    async def reload() -> None:
        await acceptors.reload(member.settings.listeners)

    member.on_reloaded = reload
    member.on_sealed = acceptors.turn_away  # a process that held keys ends
    room = asyncio.create_task(keep_room(acceptors.ports, connections, acceptors.held))
    member.ready()
    ends = [asyncio.create_task(event.wait()) for event in (member.stopping, acceptors.ended)]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    room.cancel()
    member.watchers.end()
    await acceptors.stop()
    while acceptors.in_flight:  # noqa: ASYNC110 - a counter on the hot path is cheaper than an event
        await asyncio.sleep(_POLL)
    await acceptors.end()


if __name__ == "__main__":
    start(run)
