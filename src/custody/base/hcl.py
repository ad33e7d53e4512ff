"""HCL 1 or JSON text to a small frozen tree that knows its places.

Policies and configurations of Vault are written in HCL 1, or in the JSON that means the same.
Neither of Python's parsers serves: python-hcl2 reads HCL 2, another language, and pyhcl gives no
positions, so that nothing could say which line of a policy decided. This one follows the grammar
and the error texts of github.com/hashicorp/hcl v1.0.1-vault; it differs where that reader drops
an unfinished `key =` at the end of the text in silence (an error here), it takes a heredoc whose
closing line is the last of the text without a newline, and of several faults it names the first.

Whatever the text, `parse` returns a tree or raises HCLError: no depth, size or character of the
input raises anything else.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeGuard

import msgspec

from custody.base.hcl_scanner import (
    ASSIGN,
    COMMA,
    EOF,
    IDENT,
    LBRACE,
    LBRACK,
    LITERALS,
    RBRACE,
    RBRACK,
    STRING,
    HCLError,
    Literal,
    Source,
    Token,
    tokens,
)

__all__ = ["MAX_DEPTH", "MAX_SIZE", "HCLError", "Item", "Object", "Value", "parse", "plain"]

MAX_DEPTH = 64
MAX_SIZE = 1024 * 1024  # bytes of UTF-8

_MAX_QUOTED = 256  # characters of the text that an error repeats
_JSON_TOKEN = re.compile(
    r'[ \t\r\n]*(?:(?P<sign>[{}\[\],:])|(?P<literal>"(?:[^"\\]|\\.)*"|[^\s{}\[\],:"]+))'
)

Value: TypeAlias = "Literal | tuple[Value, ...] | Object"


@dataclass(frozen=True, slots=True)
class Item:
    """`key "label" … = value` or `key "label" … { … }`, and where its key stands (from 1).

    `assign_line` is the line of its `=` (in JSON, its `:`), 0 for a block without one.
    """

    key: str
    labels: tuple[str, ...]
    value: Value
    line: int
    column: int
    assign_line: int = 0


@dataclass(frozen=True, slots=True)
class Object:
    """Items in the order of the text; a key may come more than once."""

    items: tuple[Item, ...] = ()

    def all(self, key: str) -> list[Item]:
        """Every item with that key."""
        return [item for item in self.items if item.key == key]

    def get(self, key: str) -> Item | None:
        """The last item with that key, as Vault's decoder takes it."""
        return next((item for item in reversed(self.items) if item.key == key), None)

    def blocks(self, key: str, labels: int) -> list[Item]:
        """The blocks of `key` with their labels, the nested objects of JSON counted as labels.

        So `path "a" {…}` and `{"path": {"a": {…}}}` and `{"path": [{"a": {…}}]}` answer the same.
        An item that has fewer labels is given as it stands: the caller says what is wrong.
        """
        return [block for item in self.all(key) for block in _blocks(item, labels)]


def parse(text: str) -> Object:
    """The tree of `text`, JSON if it starts with `{`, else HCL 1. Raises HCLError."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise Source(text).error("illegal UTF-8 encoding", error.start) from None
    source = Source(text.replace("\r\n", "\n"))
    if size > MAX_SIZE:
        raise source.error(f"more than {MAX_SIZE} bytes", 0)
    null = source.text.find("\0")
    if null >= 0:
        raise source.error("unexpected null character (0x00)", null)
    if source.text.lstrip().startswith("{"):
        return _JSONReader(source).read()
    return _Parser(source).read()


def plain(value: Value) -> object:
    """`value` as dicts, lists and scalars; labels become nested keys, the last of a key wins."""
    if isinstance(value, tuple):
        return [plain(element) for element in value]
    if not isinstance(value, Object):
        return value
    result: dict[str, object] = {}
    for item in value.items:
        target = result
        *outer, last = (item.key, *item.labels)
        for name in outer:
            inner = target.get(name)
            if not isinstance(inner, dict):
                inner = target[name] = {}
            target = inner
        target[last] = plain(item.value)
    return result


def _blocks(item: Item, labels: int) -> Iterator[Item]:
    if _lists_objects(item.value):
        for each in item.value:
            yield from _blocks(replace(item, value=each), labels)
    elif len(item.labels) < labels and isinstance(item.value, Object) and _nests(item.value):
        for child in item.value.items:
            names = (*item.labels, child.key, *child.labels)
            yield from _blocks(replace(child, key=item.key, labels=names), labels)
    else:
        yield item


def _nests(value: Object) -> bool:
    """Whether all that is in `value` are objects, so that its keys can be labels."""
    return all(isinstance(i.value, Object) or _lists_objects(i.value) for i in value.items)


def _lists_objects(value: Value) -> TypeGuard[tuple[Object, ...]]:
    return isinstance(value, tuple) and value != () and all(isinstance(e, Object) for e in value)


class _Parser:
    """Recursive descent over the tokens, with one token of look-ahead."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._tokens = tokens(source)
        self._token = next(self._tokens)

    def read(self) -> Object:
        items = []
        while self._token.kind != EOF:
            items.append(self._item(0))
            self._skip_comma()
        return Object(tuple(items))

    def _advance(self) -> Token:
        token = self._token
        self._token = next(self._tokens, token)
        return token

    def _skip_comma(self) -> None:
        if self._token.kind == COMMA:
            self._advance()

    def _error(self, message: str) -> HCLError:
        return self._source.error(message, self._token.offset)

    def _item(self, depth: int) -> Item:
        keys = self._keys()
        line, column = self._source.place(keys[0].offset)
        assign_line = 0
        if self._token.kind == ASSIGN:
            assign_line, _ = self._source.place(self._advance().offset)
            value = self._value(depth)
        else:
            value = self._object(depth)
        key, *labels = (str(token.value) for token in keys)
        return Item(key, tuple(labels), value, line, column, assign_line)

    def _keys(self) -> list[Token]:
        keys: list[Token] = []
        while self._token.kind in {IDENT, STRING}:
            keys.append(self._advance())
        kind = self._token.kind
        if kind == LBRACE:
            if not keys:
                raise self._error("expected: IDENT | STRING got: LBRACE")
        elif kind == ASSIGN:
            if not keys:
                raise self._error("no object keys found!")
            if len(keys) > 1:
                raise self._error("nested object expected: LBRACE got: ASSIGN")
        elif keys and kind in {EOF, RBRACE}:
            names = " ".join(token.text for token in keys)[:_MAX_QUOTED]
            raise self._error(f"key '{names}' expected start of object ('{{') or assignment ('=')")
        else:
            raise self._error(f"expected: IDENT | STRING | ASSIGN | LBRACE got: {kind}")
        return keys

    def _value(self, depth: int) -> Value:
        kind = self._token.kind
        if kind in LITERALS:
            return self._advance().value
        if kind == LBRACE:
            return self._object(depth)
        if kind == LBRACK:
            return self._list(depth)
        line, column = self._source.place(self._token.offset)
        text = self._token.text[:_MAX_QUOTED]
        raise self._error(f"Unknown token: {line}:{column} {kind} {text}")

    def _open(self, depth: int) -> None:
        if depth >= MAX_DEPTH:
            raise self._error(f"more than {MAX_DEPTH} levels")
        self._advance()

    def _object(self, depth: int) -> Object:
        self._open(depth)
        items = []
        while self._token.kind not in {RBRACE, EOF}:
            items.append(self._item(depth + 1))
            self._skip_comma()
        if self._token.kind == EOF:
            raise self._error("object expected closing RBRACE got: EOF")
        self._advance()
        return Object(tuple(items))

    def _list(self, depth: int) -> tuple[Value, ...]:
        self._open(depth)
        values: list[Value] = []
        while self._token.kind != RBRACK:
            if self._token.kind == COMMA:
                self._advance()
                continue
            if self._token.kind not in LITERALS | {LBRACE, LBRACK}:
                raise self._error(f"unexpected token while parsing list: {self._token.kind}")
            values.append(self._value(depth + 1))
            if self._token.kind not in {COMMA, RBRACK}:
                raise self._error(
                    f"error parsing list, expected comma or list end, got: {self._token.kind}"
                )
        self._advance()
        return tuple(values)


class _JSONReader:
    """JSON that msgspec has found valid, read again for the places of its keys."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._offset = 0

    def read(self) -> Object:
        try:
            msgspec.json.decode(self._source.text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._source.error(f"invalid JSON: {error}", 0) from None
        except RecursionError:
            raise self._source.error(f"more than {MAX_DEPTH} levels", 0) from None
        self._next()
        return self._object(0)

    def _next(self) -> tuple[str, int]:
        """The next sign or literal, and its offset."""
        match = _JSON_TOKEN.match(self._source.text, self._offset)
        if match is None:
            raise self._source.error("invalid JSON", self._offset)
        self._offset = match.end()
        group = "sign" if match["sign"] else "literal"
        return match[group], match.start(group)

    def _value(self, sign: str, offset: int, depth: int) -> Value:
        if sign in {"{", "["} and depth >= MAX_DEPTH:
            raise self._source.error(f"more than {MAX_DEPTH} levels", offset)
        if sign == "{":
            return self._object(depth)
        if sign == "[":
            return self._list(depth)
        return self._literal(sign, offset)

    def _literal(self, sign: str, offset: int) -> Literal:
        try:
            value: Literal = msgspec.json.decode(sign)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise self._source.error(f"invalid JSON value {sign[:64]}", offset) from None
        return value

    def _object(self, depth: int) -> Object:
        items: list[Item] = []
        sign, offset = self._next()
        while sign != "}":
            if sign == ",":
                sign, offset = self._next()
            line, column = self._source.place(offset)
            assign_line, _ = self._source.place(self._next()[1])
            value = self._value(*self._next(), depth + 1)
            key = str(self._literal(sign, offset))
            items.append(Item(key, (), value, line, column, assign_line))
            sign, offset = self._next()
        return Object(tuple(items))

    def _list(self, depth: int) -> tuple[Value, ...]:
        values: list[Value] = []
        sign, offset = self._next()
        while sign != "]":
            if sign != ",":
                values.append(self._value(sign, offset, depth + 1))
            sign, offset = self._next()
        return tuple(values)
