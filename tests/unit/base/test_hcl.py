"""HCL 1 and JSON become one tree with places; whatever else comes is an HCLError."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.base import hcl

ERRORS = {
    'path "a"{{': "At 1:10: expected: IDENT | STRING got: LBRACE",
    'path "a" { { } }': "At 1:12: expected: IDENT | STRING got: LBRACE",
    "path a = 1": "At 1:8: nested object expected: LBRACE got: ASSIGN",
    "= 1": "At 1:1: no object keys found!",
    "}": "At 1:1: expected: IDENT | STRING | ASSIGN | LBRACE got: RBRACE",
    "12 = 3": "At 1:1: expected: IDENT | STRING | ASSIGN | LBRACE got: NUMBER",
    "true = 3": "At 1:1: expected: IDENT | STRING | ASSIGN | LBRACE got: BOOL",
    "foo": "At 1:4: key 'foo' expected start of object ('{') or assignment ('=')",
    'a "b" }': "At 1:7: key 'a \"b\"' expected start of object ('{') or assignment ('=')",
    "a {": "At 1:4: object expected closing RBRACE got: EOF",
    "a = [1 2]": "At 1:8: error parsing list, expected comma or list end, got: NUMBER",
    "a = [b]": "At 1:6: unexpected token while parsing list: IDENT",
    "a = b": "At 1:5: Unknown token: 1:5 IDENT b",
    "a = ": "At 1:5: Unknown token: 1:5 EOF ",
    "a = §": "At 1:5: illegal char",
    'a = "x': "At 1:7: literal not terminated",
    'a = "x\n"': "At 1:7: literal not terminated",
    'a = "\\q"': "At 1:7: illegal char escape",
    'a = "${x"': "At 1:10: literal not terminated",
    'a = "\\xff"': "At 1:5: illegal UTF-8 encoding",
    "a = 1 / 2": "At 1:7: expected '/' for comment",
    "a = 1 /* x": "At 1:11: comment not terminated",
    "a = <EOF": "At 1:6: heredoc expected second '<', didn't see it",
    "a = <<EOF x\n": "At 1:10: invalid characters in heredoc anchor",
    "a = <<\nx": "At 1:7: zero-length heredoc anchor",
    "a = <<EOF\nx\n": "At 3:1: heredoc not terminated",
    "a = 99999999999999999999": "At 1:5: number out of range",
    "a = 1e999": "At 1:5: number out of range",
    "a = 089": "At 1:5: illegal number 089",
    "a = 0x": "At 1:5: illegal number 0x",
    "\n a = \0": "At 2:6: unexpected null character (0x00)",
    'a = "\ud800"': "At 1:6: illegal UTF-8 encoding",
}


def test_a_block_gives_its_labels_its_items_and_their_places() -> None:
    tree = hcl.parse('# who\n  path "secret/*" {\n  capabilities = ["read", "list"]\n}\n')
    (block,) = tree.items
    assert (block.key, block.labels, block.line, block.column) == ("path", ("secret/*",), 2, 3)
    assert block.assign_line == 0
    assert isinstance(block.value, hcl.Object)
    (item,) = block.value.items
    assert (item.key, item.value, item.line, item.assign_line) == (
        "capabilities",
        ("read", "list"),
        3,
        3,
    )


def test_a_block_may_have_two_labels_and_blocks_inside() -> None:
    tree = hcl.parse('audit "file" "main" { options { file_path = "/a" } }')
    (block,) = tree.blocks("audit", 2)
    assert block.labels == ("file", "main")
    assert hcl.plain(tree) == {"audit": {"file": {"main": {"options": {"file_path": "/a"}}}}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-1", -1),
        ("0x1F", 31),
        ("0600", 0o600),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("true", True),
        ("false", False),
        ('"a\\n\\t\\"\\\\b"', 'a\n\t"\\b'),
        ('"\\u00e9\\U0001F600\\x41\\101"', "é😀AA"),
        ('"\\xc3\\xa9"', "é"),
        ('"\\ud800"', "\ufffd"),
        ('"${a("b")} c"', '${a("b")} c'),
        ('"{{identity.entity.id}}"', "{{identity.entity.id}}"),
        ('"$x"', "$x"),
        ("<<EOF\none\n  two\nEOF\n", "one\n  two\n"),
        ("<<EOF\none\nEOF", "one\n"),
        ("<<EOF\none\n  EOF\n", "one\n  "),
        ("<<-EOF\n    one\n      two\n    EOF\n", "one\n  two\n"),
        ("<<-EOF\n  one\n    EOF\n", "  one\n"),
        ("<<EOF\r\none\r\nEOF\r\n", "one\n"),
        ("[]", ()),
        ("[1, 2,]", (1, 2)),
        ("[[1], {a = 2},]", ((1,), hcl.Object((hcl.Item("a", (), 2, 1, 12, 1),)))),
    ],
)
def test_values_are_read_as_hcl_1_reads_them(text: str, value: hcl.Value) -> None:
    item = hcl.parse(f"k = {text}").get("k")
    assert item is not None
    assert item.value == value
    assert type(item.value) is type(value)


def test_items_may_be_parted_by_newline_comma_or_nothing() -> None:
    tree = hcl.parse("a = 1, b = 2 c = 3\nd { e = 4 } // f\n/* g\n h */ i = 5 # j")
    assert hcl.plain(tree) == {"a": 1, "b": 2, "c": 3, "d": {"e": 4}, "i": 5}
    assert hcl.parse("").items == ()
    assert hcl.parse("# nothing").items == ()


def test_the_last_of_a_key_is_the_one_that_get_answers() -> None:
    tree = hcl.parse("a = 1\na = 2")
    assert [item.value for item in tree.all("a")] == [1, 2]
    last = tree.get("a")
    assert last is not None
    assert last.value == 2
    assert tree.get("b") is None


@pytest.mark.parametrize(("text", "message"), ERRORS.items())
def test_an_error_names_its_place_in_vaults_words(text: str, message: str) -> None:
    with pytest.raises(hcl.HCLError) as caught:
        hcl.parse(text)
    assert str(caught.value) == message


def test_a_tabulator_counts_as_one_column_and_the_line_is_the_right_one() -> None:
    with pytest.raises(hcl.HCLError) as caught:
        hcl.parse('path "é" {\n\n\t\t= 3\n}')
    assert (caught.value.line, caught.value.column) == (3, 3)
    assert caught.value.reason == "no object keys found!"


@pytest.mark.parametrize(
    "text",
    [
        'path "a" { x = 1 }\npath "b" { x = 2 }',
        '{"path": {"a": {"x": 1}, "b": {"x": 2}}}',
        '{"path": [{"a": {"x": 1}}, {"b": {"x": 2}}]}',
        '{"path": {"a": [{"x": 1}], "b": {"x": 2}}}',
    ],
)
def test_json_nesting_means_the_same_as_labels(text: str) -> None:
    blocks = hcl.parse(text).blocks("path", 1)
    assert [(block.key, block.labels, hcl.plain(block.value)) for block in blocks] == [
        ("path", ("a",), {"x": 1}),
        ("path", ("b",), {"x": 2}),
    ]


def test_json_keys_know_their_lines() -> None:
    tree = hcl.parse('{\n "path": {\n  "a/\\u00e9": {"n": null,\n "l": [1, "]"]}\n }\n}')
    (block,) = tree.blocks("path", 1)
    assert (block.labels, block.line, block.column) == (("a/é",), 3, 3)
    assert hcl.plain(block.value) == {"n": None, "l": [1, "]"]}


def test_a_block_with_too_few_labels_is_given_as_it_stands() -> None:
    (block,) = hcl.parse("path { capabilities = [] }").blocks("path", 1)
    assert block.labels == ()
    (block,) = hcl.parse('path = "x"').blocks("path", 1)
    assert block.value == "x"
    assert hcl.parse('{"path": {}}').blocks("path", 1) == []


@pytest.mark.parametrize("text", ['{"a": ', '{"a": 1} x', "{a = 1}", '{"a": "\\ud800"'])
def test_broken_json_is_an_hcl_error(text: str) -> None:
    with pytest.raises(hcl.HCLError, match="invalid JSON"):
        hcl.parse(text)


@pytest.mark.parametrize(
    ("opening", "closing"), [("a {", "}"), ("a = [", "]"), ('{"a":', "}"), ('{"a":[', "]}")]
)
@pytest.mark.parametrize("depth", [65, 5_000])
def test_deep_nesting_is_refused(opening: str, closing: str, depth: int) -> None:
    middle = "1" if opening == '{"a":' else ""
    text = opening * depth + middle + closing * depth
    if opening == "a = [":
        text = "a = " + "[" * depth + "]" * depth
    with pytest.raises(hcl.HCLError, match="more than 64 levels"):
        hcl.parse(text)


def test_sixty_four_levels_are_taken() -> None:
    assert len(hcl.parse("a {" * 64 + "}" * 64).items) == 1
    assert len(hcl.parse("a = " + "[" * 64 + "]" * 64).items) == 1


def test_a_text_over_the_limit_is_refused() -> None:
    assert hcl.parse("#" * hcl.MAX_SIZE).items == ()
    with pytest.raises(hcl.HCLError, match="more than 1048576 bytes"):
        hcl.parse("#" * (hcl.MAX_SIZE + 1))


SNIPPETS = st.sampled_from(
    [
        *'{}[]=,"\\/*#<-+.$\n\r\t 019e',
        "${",
        "<<EOF\n",
        "EOF",
        "path",
        '"a"',
        "\\u00",
        "/*",
        "é",
        "x",
    ]
)


@given(st.lists(SNIPPETS, max_size=40).map("".join) | st.text(max_size=60))
def test_no_text_raises_anything_but_an_hcl_error(text: str) -> None:
    places = [(1, 1)]
    for candidate in (text, "{" + text):
        try:
            tree = hcl.parse(candidate)
        except hcl.HCLError as error:
            places.append((error.line, error.column))
        else:
            hcl.plain(tree)
            tree.blocks("path", 1)
    assert min(map(min, places)) >= 1


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), VALUES, max_size=5), st.sampled_from([None, 2]))
def test_json_comes_back_as_it_was(value: dict[str, object], indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    if "\\u0000" not in text:
        assert hcl.plain(hcl.parse(text)) == value
