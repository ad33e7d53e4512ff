"""Tokens of HCL 1, each with its place in the text.

Owns the lexical half of `custody.base.hcl`: comments, numbers, strings with `${…}` parts and
heredocs, as github.com/hashicorp/hcl v1 reads them, and the texts of its complaints.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

IDENT, STRING, HEREDOC = "IDENT", "STRING", "HEREDOC"
NUMBER, FLOAT, BOOL = "NUMBER", "FLOAT", "BOOL"
LBRACE, RBRACE, LBRACK, RBRACK = "LBRACE", "RBRACE", "LBRACK", "RBRACK"
COMMA, ASSIGN, EOF = "COMMA", "ASSIGN", "EOF"
LITERALS = frozenset({NUMBER, FLOAT, BOOL, STRING, HEREDOC})

Literal = str | int | float | bool | None

_SIGNS = {
    "{": LBRACE,
    "}": RBRACE,
    "[": LBRACK,
    "]": RBRACK,
    ",": COMMA,
    "=": ASSIGN,
    "+": "ADD",
    "-": "SUB",
    ".": "PERIOD",
}
_SPACE = re.compile(r"(?:[ \t\r\n]+|#[^\n]*|//[^\n]*)+")
_IDENT = re.compile(r"[^\W\d][\w.-]*")
_NUMBER = re.compile(
    r"-?(?:(?P<hex>0[xX][0-9a-fA-F]*)"
    r"|(?P<float>[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]*)?|[0-9]+[eE][+-]?[0-9]*)"
    r"|(?P<integer>[0-9]+))"
    r"|(?P<fraction>\.[0-9]+(?:[eE][+-]?[0-9]*)?)"
)
_ANCHOR = re.compile(r"<<(?P<indented>-?)(?P<anchor>\w*)\r?(?P<end>\n?)")
_STRING_STOP = re.compile(r'["\\\n]|\$\{')
_BRACE_STOP = re.compile(r"[{}\\]")
_ESCAPE = re.compile(
    r'\\(?:(?P<plain>[abfnrtv\\"])|(?P<octal>[0-7]{3})'
    r"|x(?P<byte>[0-9a-fA-F]{2})|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8}))"
)
_PLAIN = {
    "a": b"\a",
    "b": b"\b",
    "f": b"\f",
    "n": b"\n",
    "r": b"\r",
    "t": b"\t",
    "v": b"\v",
    "\\": b"\\",
    '"': b'"',
}
_MAX_INTEGER = 2**63
_BYTE = 0xFF
_MAX_RUNE = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


class HCLError(Exception):
    """The text is not HCL (or JSON); says where, as Vault does: `At 1:10: …`."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"At {line}:{column}: {message}")
        self.reason = message
        self.line = line
        self.column = column


class Token(NamedTuple):
    """One token: its kind, the text as written, its value if it is a literal, its offset."""

    kind: str
    text: str
    value: Literal
    offset: int


class Source:
    """A text whose offsets can be told as line and column, both from 1, columns in characters."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of `offset`."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def error(self, message: str, offset: int) -> HCLError:
        """The error that says `message` at `offset`."""
        return HCLError(message, *self.place(offset))


def tokens(source: Source) -> Iterator[Token]:
    """The tokens of `source` without comments; the last one is EOF. Raises HCLError."""
    text, offset = source.text, 0
    while True:
        offset = _skip(source, offset)
        if offset == len(text):
            yield Token(EOF, "", None, offset)
            return
        token = _token(source, offset)
        yield token
        offset += len(token.text)


def _skip(source: Source, offset: int) -> int:
    """The offset of the next character that is neither space nor comment."""
    text = source.text
    while True:
        if space := _SPACE.match(text, offset):
            offset = space.end()
        if not text.startswith("/", offset):
            return offset
        if not text.startswith("*", offset + 1):
            raise source.error("expected '/' for comment", offset)
        end = text.find("*/", offset + 2)
        if end < 0:
            raise source.error("comment not terminated", len(text))
        offset = end + 2


def _token(source: Source, offset: int) -> Token:
    text = source.text
    first = text[offset]
    if first == '"':
        return _string(source, offset)
    if word := _IDENT.match(text, offset):
        if word[0] in {"true", "false"}:
            return Token(BOOL, word[0], word[0] == "true", offset)
        return Token(IDENT, word[0], word[0], offset)
    if number := _NUMBER.match(text, offset):
        return _number(source, number)
    if first == "<":
        return _heredoc(source, offset)
    kind = _SIGNS.get(first)
    if kind is None:
        raise source.error("illegal char", offset)
    return Token(kind, first, None, offset)


def _number(source: Source, match: re.Match[str]) -> Token:
    """A number; one that starts with 0 is octal, as in Go."""
    text, offset = match[0], match.start()
    try:
        if match["hex"] is not None:
            value: int | float = int(text, 16)
        elif match["integer"] is None:
            value = float(text)
        else:
            octal = match["integer"][0] == "0" and len(match["integer"]) > 1
            value = int(text, 8 if octal else 10)
    except ValueError:
        raise source.error(f"illegal number {text[:64]}", offset) from None
    if isinstance(value, float):
        if value in {float("inf"), float("-inf")}:
            raise source.error("number out of range", offset)
        return Token(FLOAT, text, value, offset)
    if not -_MAX_INTEGER <= value < _MAX_INTEGER:
        raise source.error("number out of range", offset)
    return Token(NUMBER, text, value, offset)


def _string(source: Source, offset: int) -> Token:
    """A quoted string; what stands in `${…}` is taken as it is."""
    text, position = source.text, offset + 1
    parts: list[bytes] = []
    while True:
        stop = _STRING_STOP.search(text, position)
        if stop is None or stop[0] == "\n":
            end = len(text) if stop is None else stop.start()
            raise source.error("literal not terminated", end)
        parts.append(text[position : stop.start()].encode())
        position = stop.end()
        if stop[0] == '"':
            break
        if stop[0] == "\\":
            part, position = _escape(source, stop.start())
            parts.append(part)
        else:
            end = _interpolation(source, position)
            parts.append(text[stop.start() : end].encode())
            position = end
    try:
        value = b"".join(parts).decode()
    except UnicodeDecodeError:
        raise source.error("illegal UTF-8 encoding", offset) from None
    return Token(STRING, text[offset:position], value, offset)


def _escape(source: Source, offset: int) -> tuple[bytes, int]:
    """The bytes that the escape at `offset` stands for, and where it ends."""
    match = _ESCAPE.match(source.text, offset)
    if match is None:
        raise source.error("illegal char escape", offset + 1)
    if match["plain"]:
        return _PLAIN[match["plain"]], match.end()
    if match["byte"] or match["octal"]:
        byte = int(match["byte"], 16) if match["byte"] else int(match["octal"], 8)
        if byte > _BYTE:
            raise source.error("illegal char escape", offset + 1)
        return bytes((byte,)), match.end()
    rune = int(match["short"] or match["long"], 16)
    if rune > _MAX_RUNE:
        raise source.error("illegal char escape", offset + 1)
    return ("\ufffd" if rune in _SURROGATES else chr(rune)).encode(), match.end()


def _interpolation(source: Source, position: int) -> int:
    """The offset after the `}` that closes the `${` before `position`."""
    braces = 1
    while braces:
        stop = _BRACE_STOP.search(source.text, position)
        if stop is None:
            raise source.error("literal not terminated", len(source.text))
        position = stop.end()
        if stop[0] == "\\":
            _, position = _escape(source, stop.start())
        else:
            braces += 1 if stop[0] == "{" else -1
    return position


def _heredoc(source: Source, offset: int) -> Token:
    """A heredoc; `<<-` takes away the indentation of the closing line where all lines have it."""
    text = source.text
    opening = _ANCHOR.match(text, offset)
    if opening is None:
        raise source.error("heredoc expected second '<', didn't see it", offset + 1)
    if not opening["end"]:
        reason = "invalid characters in heredoc anchor"
        raise source.error(
            reason if opening.end() < len(text) else "heredoc not terminated", opening.end()
        )
    if not opening["anchor"]:
        raise source.error("zero-length heredoc anchor", opening.end() - 1)
    closing = re.compile(
        rf"^(?P<indent>[ \t\v\f\r]*){re.escape(opening['anchor'])}\r*(?:\n|\Z)", re.MULTILINE
    ).search(text, opening.end())
    if closing is None:
        raise source.error("heredoc not terminated", len(text))
    body, indent = text[opening.end() : closing.start()], closing["indent"]
    value = _unindent(body, indent) if opening["indented"] else body + indent
    return Token(HEREDOC, text[offset : closing.end()], value, offset)


def _unindent(body: str, indent: str) -> str:
    lines = body.split("\n")[:-1]
    if not all(line.startswith(indent) for line in lines):
        return body
    return "".join(line[len(indent) :] + "\n" for line in lines)
