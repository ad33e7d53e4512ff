"""A worker's process: HTTP on every listener, until the supervisor asks it to stop."""

import asyncio

from custody.base.ids import PooledSource
from custody.http.app import App
from custody.serve.handoff import raise_file_limit
from custody.serve.idle import keep_room
from custody.serve.listeners import Serving, connection_limit
from custody.serve.member import Member, start

_POLL = 0.01  # seconds between looks at the requests in flight while stopping


async def run(member: Member) -> None:
    """Serve until asked to stop, then finish what is in flight; the supervisor sets the deadline.

    It accepts nobody before it knows from the custodian whether the node is sealed.
    """
    app = App(member.node, PooledSource())
    connections = connection_limit(raise_file_limit(), len(member.given.listeners))
    await member.join()
    serving = [
        Serving(listener, fd, app, connections)
        for listener, fd in zip(
            member.given.settings.listeners, member.given.listeners, strict=True
        )
    ]
    room = asyncio.create_task(keep_room(member.given.listeners, connections))
    member.ready()
    stopping = asyncio.create_task(member.stopping.wait())
    await asyncio.wait(
        [stopping, *(one.task for one in serving)], return_when=asyncio.FIRST_COMPLETED
    )
    room.cancel()
    await asyncio.gather(*(one.stop() for one in serving))
    while app.in_flight:  # noqa: ASYNC110 - a counter on the hot path is cheaper than an event
        await asyncio.sleep(_POLL)


if __name__ == "__main__":
    start(run)
