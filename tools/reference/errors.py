"""docs/reference/errors.md: every status of an error, when it comes, and with which texts."""

from collections.abc import Iterator

from custody.base.errors import CustodyError
from custody.http.errors import STATUS, status_of
from tools.reference import markdown, texts

_TEXT = """\
An error is a status and `{"errors": ["…"]}`. What is not in this list is answered with 500 and the
text `internal error`: the cause is in the log and never in the answer. What a caller may not see is
answered with 403, whether it is there or not.

`…` in a text stands for what depends on the request."""


def page() -> str:
    """The page."""
    parts = [markdown.head("Errors", _TEXT), markdown.table(("status", "when"), _statuses())]
    told = _texts()
    for status in sorted(told):
        rows = ((_quoted(text),) for text in sorted(told[status], key=str.lower))
        parts += [f"## Texts of {status}\n", markdown.table(("text",), rows)]
    return "\n".join(parts)


def _statuses() -> Iterator[tuple[str, str]]:
    for kind, status in sorted(STATUS.items(), key=lambda row: row[1]):
        yield str(status), _when(kind, status)


def _when(kind: type[CustodyError], status: int) -> str:
    """The first line of its class, without the status that it repeats."""
    first = (kind.__doc__ or "").strip().partition("\n")[0]
    return first.replace(f": {status}.", ".").replace(f": {status},", ":")


def _texts() -> dict[int, set[str]]:
    kinds = {kind.__name__: kind for kind in texts.classes()}
    said = {(name, text) for name, kind in kinds.items() for text in _own(kind)} | texts.found()
    told: dict[int, set[str]] = {}
    for name, text in said:
        told.setdefault(status_of_class(kinds[name]), set()).add(text)
    return told


def _own(kind: type[CustodyError]) -> tuple[str, ...]:
    """The texts that a class brings with it where nobody gives it one."""
    try:
        return kind().messages
    except TypeError:
        return ()


def status_of_class(kind: type[CustodyError]) -> int:
    """The status that an error of this class has."""
    return status_of(kind.__new__(kind))


def _quoted(text: str) -> str:
    lines = text.replace("`", "'").split("\n")
    return markdown.code(" ".join(line.strip() for line in lines if line.strip()))
