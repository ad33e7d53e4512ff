"""Markdown as text: what every page of the reference is put together from."""

from collections.abc import Iterable, Sequence

NOTE = "Written by `make docs` from the tables in the code; changes to this page are lost."


def head(title: str, text: str) -> str:
    """The beginning of a page."""
    return f"# {title}\n\n{NOTE}\n\n{text}\n"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; empty without rows. Cells are Markdown, and what ends a cell in them is masked."""
    lines = [_row(cells) for cells in rows]
    if not lines:
        return ""
    rule = "| " + " | ".join("---" for _ in titles) + " |"
    return "\n".join([_row(titles), rule, *lines]) + "\n"


def code(text: str) -> str:
    """`text` as code, nothing for none."""
    return f"`{text}`" if text else ""


def _row(cells: Sequence[str]) -> str:
    return (
        "| " + " | ".join(cell.replace("|", "&#124;").replace("\n", " ") for cell in cells) + " |"
    )
