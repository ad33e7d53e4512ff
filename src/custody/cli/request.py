"""What the command line sends and gets back: values without a connection."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent. Parameters and body may be secret and are not shown in a repr."""

    method: str
    path: str
    parameters: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status and the JSON object, {} when there was none."""

    status: int
    body: Mapping[str, Any] = field(repr=False)


class Instead(Exception):
    """The request was not sent: `text` is what was asked for in its place."""

    def __init__(self, text: str) -> None:
        super().__init__("a request was described instead of sent")
        self.text = text
