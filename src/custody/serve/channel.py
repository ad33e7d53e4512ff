"""Calls and answers over one stream socket: each message is a length (4 bytes) and MessagePack.

The other end is a process that this node started. A message that does not parse is a defect and
ends the connection like a hang-up does.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable

import msgspec

from custody.base.errors import CustodyError, Unavailable
from custody.base.log import describe
from custody.serve.messages import Call, Failed, Frame, Result, as_error, failure

MAX_MESSAGE = 64 * 1024 * 1024
_LENGTH = 4
_log = logging.getLogger(__name__)
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Frame)

Handler = Callable[[Call], Awaitable[Result]]


class Channel:
    """One end. `run` must be awaited by somebody for anything to arrive."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._handler = handler
        self._waiting: dict[int, asyncio.Future[Result]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._number = 0

    async def call(self, call: Call) -> Result:
        """The other side's answer. Raises the CustodyError it raised, Unavailable on hang-up."""
        if self._writer.is_closing():
            raise Unavailable("the other process is gone")
        self._number += 1
        number = self._number
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._send(Frame(number, call))
            result = await answer
        finally:
            del self._waiting[number]
        if isinstance(result, Failed):
            raise as_error(result)
        return result

    async def run(self) -> None:
        """Read until the other side hangs up; then every call still waiting fails."""
        try:
            while True:
                size = int.from_bytes(await self._reader.readexactly(_LENGTH), "big")
                if size > MAX_MESSAGE:
                    break
                self._dispatch(_decoder.decode(await self._reader.readexactly(size)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # hung up: the normal end
        except msgspec.MsgspecError as error:
            _log.error("a message between processes does not parse: %s", describe(error))
        finally:
            self.close()

    def close(self) -> None:
        """Hang up."""
        self._writer.close()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(Unavailable("the other process is gone"))

    def _dispatch(self, frame: Frame) -> None:
        if isinstance(frame.body, Result):
            answer = self._waiting.get(frame.number)
            if answer is not None and not answer.done():
                answer.set_result(frame.body)
            return
        task = asyncio.create_task(self._answer(frame.number, frame.body))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer(self, number: int, call: Call) -> None:
        try:
            result = await self._handler(call)
        except CustodyError as error:
            result = failure(error)
        except Exception as error:  # noqa: BLE001 - the edge of a process: it answers, and logs
            _log.error("%s failed: %s", type(call).__name__, describe(error))
            result = failure(error)
        if not self._writer.is_closing():
            self._send(Frame(number, result))

    def _send(self, frame: Frame) -> None:
        data = _encoder.encode(frame)
        self._writer.write(len(data).to_bytes(_LENGTH, "big") + data)


async def open_channel(end: socket.socket, handler: Handler) -> Channel:
    """A channel over `end`, which it takes over."""
    end.settimeout(0)
    reader, writer = await asyncio.open_unix_connection(sock=end)
    return Channel(reader, writer, handler)
