"""The application of one listener: the edge, behind what its configuration puts in front of it."""

from collections.abc import Mapping

from custody.base.ids import Source
from custody.http.app import App, Pipeline
from custody.http.custom import ASGI, CustomHeaders
from custody.http.forwarded import ForwardedFor
from custody.http.relayed import Relayed
from custody.serve.settings import Listener


class Edge:
    """One listener's application, and how many requests it is answering."""

    def __init__(
        self,
        listener: Listener,
        pipeline: Pipeline,
        source: Source,
        relayed: Mapping[tuple[str, int], tuple[str, int]] | None = None,
    ) -> None:
        """`relayed` are the clients of the listener's relay, None where it has none."""
        self._app = App(
            pipeline, source, listener.max_body, listener.body_timeout, listener.max_strings
        )
        served: ASGI = self._app
        if listener.forwarded is not None:
            trusted = listener.forwarded
            served = ForwardedFor(
                served,
                trusted.networks,
                hop_skips=trusted.hop_skips,
                reject_strangers=trusted.reject_strangers,
                reject_absent=trusted.reject_absent,
            )
        if relayed is not None:
            served = Relayed(served, relayed)
        if listener.headers:
            served = CustomHeaders(served, listener.headers)
        self.application = served

    @property
    def closing(self) -> bool:
        """Whether each answer asks its client to connect anew."""
        return self._app.closing

    @closing.setter
    def closing(self, closing: bool) -> None:
        self._app.closing = closing

    @property
    def in_flight(self) -> int:
        """Requests that are being answered."""
        return self._app.in_flight
