"""Lays HCL text out as HashiCorp's own formatter does: only space changes, and commas of lists.

Blocks are indented by two spaces, the values of entries that follow each other stand under each
other, a list over several lines has one element per line. Comments stay with what they are about.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from custody.base.hcl import HCLError, Item, Object, Value, parse
from custody.base.hcl_scanner import (
    ASSIGN,
    COMMA,
    EOF,
    LBRACE,
    LBRACK,
    RBRACE,
    RBRACK,
    Source,
    Token,
    tokens,
)

_COMMENT = re.compile(r"(?:#|//)[^\n]*|/\*.*?\*/", re.DOTALL)
_INDENT = "  "


class CannotFormat(Exception):
    """The laid out text would not mean the same."""


def layout(text: str) -> str:
    """`text` laid out, with a line end at its end. Raises HCLError, CannotFormat."""
    before = parse(text)
    source = Source(text.replace("\r\n", "\n"))
    pieces = _Pieces(list(_pieces(source)))
    lines = _body(pieces, 0)
    laid = "\n".join(lines).rstrip() + "\n" if lines else ""
    try:
        after = parse(laid)
    except HCLError as error:
        raise CannotFormat from error
    if _meaning(after) != _meaning(before):
        raise CannotFormat
    return laid


def _meaning(value: Value) -> object:
    if isinstance(value, Object):
        return tuple(_item_meaning(item) for item in value.items)
    return tuple(map(_meaning, value)) if isinstance(value, tuple) else (type(value), value)


def _item_meaning(item: Item) -> object:
    return item.key, item.labels, _meaning(item.value)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A token or a comment, and the lines it begins and ends on."""

    kind: str  # "" is a comment
    text: str
    first: int
    last: int


def _pieces(source: Source) -> Iterator[_Piece]:
    end = 0
    for token in tokens(source):
        for found in _COMMENT.finditer(source.text, end, token.offset):
            yield _piece(source, "", found[0], found.start())
        yield _piece(source, token.kind, _text(token), token.offset)
        end = token.offset + len(token.text)


def _text(token: Token) -> str:
    return token.text.rstrip("\n")  # a heredoc's text has its last line's end


def _piece(source: Source, kind: str, text: str, offset: int) -> _Piece:
    first = source.place(offset)[0]
    return _Piece(kind, text, first, first + text.count("\n"))


class _Pieces:
    """A list that is read from its front."""

    def __init__(self, pieces: Sequence[_Piece]) -> None:
        self._pieces = pieces
        self._place = 0

    @property
    def next(self) -> _Piece:
        """The piece that comes next; the last one is the end."""
        return self._pieces[self._place]

    def take(self) -> _Piece:
        """The next piece, which is gone from the front."""
        self._place += self.next.kind != EOF
        return self._pieces[self._place - 1]

    def comments(self) -> list[_Piece]:
        """All comments that come next."""
        found = []
        while self.next.kind == "":
            found.append(self.take())
        return found

    def trailing(self, line: int) -> str:
        """A comment that stands behind something on that line; "" when there is none."""
        if self.next.kind == "" and self.next.first == line and "\n" not in self.next.text:
            return self.take().text
        return ""


@dataclass(slots=True)
class _Entry:
    """What one key says: `name = value`, a block, or comments of their own."""

    first: int  # its first line in the source, comments before it included
    last: int = 0
    before: list[str] = field(default_factory=list)
    name: str = ""
    value: list[str] = field(default_factory=list)  # lines; the first follows the name
    assigned: bool = False
    trailing: str = ""

    @property
    def simple(self) -> bool:
        """Whether it is one line, so that it can be aligned with others."""
        return self.assigned and len(self.value) == 1 and not self.before


def _body(pieces: _Pieces, depth: int) -> list[str]:
    """The lines of a block's inside, its closing brace not taken."""
    entries: list[_Entry] = []
    while pieces.next.kind not in (RBRACE, EOF):
        entries.append(_entry(pieces, depth))
    lines: list[str] = []
    for group in _groups(entries):
        if lines:
            lines.append("")
        lines += _group(group, _INDENT * depth)
    return lines


def _entry(pieces: _Pieces, depth: int) -> _Entry:
    comments = pieces.comments()
    pad = _INDENT * depth
    entry = _Entry((comments or [pieces.next])[0].first)
    entry.before = [line for one in comments for line in _comment(one, pad)]
    names = []
    while pieces.next.kind not in (ASSIGN, LBRACE, RBRACE, EOF):
        names.append(pieces.take().text)
    entry.last = comments[-1].last if comments else entry.first
    if pieces.next.kind in (RBRACE, EOF):
        return entry
    entry.name = " ".join(names)
    entry.assigned = pieces.next.kind == ASSIGN
    if entry.assigned:
        pieces.take()
    entry.value, entry.last = _value(pieces, depth)
    if pieces.next.kind == COMMA:
        pieces.take()
    entry.trailing = pieces.trailing(entry.last)
    return entry


def _value(pieces: _Pieces, depth: int) -> tuple[list[str], int]:
    """A value's lines, and the source line that it ends on."""
    held = pieces.comments()  # between a sign and its value: kept, before the value
    first = pieces.take()
    lead = "".join(f"{one.text} " for one in held)
    if first.kind == LBRACE:
        inside = _body(pieces, depth + 1)
        closing = pieces.take()
        lines = ["{", *inside, _INDENT * depth + "}"] if inside else ["{}"]
        return [lead + lines[0], *lines[1:]], closing.last
    if first.kind == LBRACK:
        lines, last = _list(pieces, first, depth)
        return [lead + lines[0], *lines[1:]], last
    return [lead + first.text.split("\n")[0], *first.text.split("\n")[1:]], first.last


def _list(pieces: _Pieces, opening: _Piece, depth: int) -> tuple[list[str], int]:
    pad = _INDENT * (depth + 1)
    lines: list[str] = []
    flat = True
    while pieces.next.kind != RBRACK:
        held = pieces.comments()
        lines += [line for one in held for line in _comment(one, pad)]
        if pieces.next.kind == RBRACK:
            break
        value, last = _value(pieces, depth + 1)
        if pieces.next.kind == COMMA:
            pieces.take()
        trailing = pieces.trailing(last)
        flat = flat and not held and not trailing and len(value) == 1
        value[-1] += "," + (f" {trailing}" if trailing else "")
        lines += [pad + value[0], *value[1:]]
    closing = pieces.take()
    if flat and closing.first == opening.first:
        joined = " ".join(line.strip() for line in lines)
        return [f"[{joined.removesuffix(',')}]"], closing.last
    return ["[", *lines, _INDENT * depth + "]"], closing.last


def _comment(piece: _Piece, pad: str) -> list[str]:
    """A comment's lines. All but the first stay as they are: what they show is the writer's."""
    first, *others = piece.text.split("\n")
    return [pad + first, *others]


def _groups(entries: Sequence[_Entry]) -> Iterator[list[_Entry]]:
    """Entries that stand together without an empty line."""
    group: list[_Entry] = []
    for entry in entries:
        apart = group and (
            entry.first > group[-1].last + 1 or not entry.simple or not group[-1].simple
        )
        if apart:
            yield group
            group = []
        group.append(entry)
    if group:
        yield group


def _group(entries: Sequence[_Entry], pad: str) -> Iterator[str]:
    simple = [entry for entry in entries if entry.assigned and len(entry.value) == 1]
    name = max((len(entry.name) for entry in simple), default=0)
    value = max((len(entry.value[0]) for entry in simple if entry.trailing), default=0)
    if len(simple) > 1:
        value = max(len(entry.value[0]) for entry in simple)
    for entry in entries:
        yield from entry.before
        if not entry.name:
            continue
        first = entry.value[0]
        if entry.assigned and len(entry.value) == 1:
            head = f"{pad}{entry.name.ljust(name)} = {first}"
            if entry.trailing:
                head = f"{pad}{entry.name.ljust(name)} = {first.ljust(value)} {entry.trailing}"
            yield head
            continue
        head = f"{pad}{entry.name} = {first}" if entry.assigned else f"{pad}{entry.name} {first}"
        *middle, end = [head, *entry.value[1:]]
        yield from middle
        yield f"{end} {entry.trailing}" if entry.trailing else end
