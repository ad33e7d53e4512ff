"""Data on the command line."""

import io
from decimal import Decimal
from pathlib import Path

import pytest

from custody.cli.data import parse, parse_texts
from custody.cli.errors import UsageError


def test_pairs_files_standard_input_and_escapes_make_the_data(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("hunter2\n")
    words = ["a=b=c", f"file=@{tmp_path}/pw", "in=-", r"at=\@x", "empty=", r"back=\x"]
    assert parse(words, io.StringIO("typed\n")) == {
        "a": "b=c", "file": "hunter2\n", "in": "typed\n", "at": "@x", "empty": "", "back": r"\x",
    }  # fmt: skip


def test_a_repeated_key_becomes_a_list() -> None:
    assert parse(["k=a", "k=b", "k=c", "one=x"], None) == {"k": ["a", "b", "c"], "one": "x"}


def test_whole_objects_come_from_a_file_and_from_standard_input(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"n": 1.50, "big": 12345678901234567890}')
    data = parse([f"@{tmp_path}/x.json", "-"], io.StringIO('{"piped": true}'))
    assert data == {"n": Decimal("1.50"), "big": 12345678901234567890, "piped": True}


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        (["hunter2"], "", "data argument 1 is not key=value, @file or -"),
        (["a=b", "=hunter2"], "", "data argument 2 is not key=value"),
        (["-"], '{"password": "hunter2"', "standard input is not JSON"),
        (["-"], '["hunter2"]', "standard input must hold a JSON object"),
        (["-"], '{"hunter2": NaN}', "standard input is not JSON"),
        (["a=-", "b=-"], "hunter2", "standard input can be given only once"),
        (["a=@/nowhere/at/all"], "", "cannot read /nowhere/at/all: No such file or directory"),
    ],
)
def test_a_mistake_is_named_without_the_data(words: list[str], stdin: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(words, io.StringIO(stdin))
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_standard_input_is_not_read_where_it_must_not_be() -> None:
    with pytest.raises(UsageError, match="-non-interactive"):
        parse(["a=-"], None)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8 text"):
        parse([f"a=@{tmp_path}/blob"], None)


def test_options_are_texts_only() -> None:
    assert parse_texts(["a=b"], None) == {"a": "b"}
    assert parse_texts(["-"], io.StringIO('{"n": 1, "on": true}')) == {"n": "1", "on": "true"}
    with pytest.raises(UsageError, match='"a" must be one text'):
        parse_texts(["a=b", "a=c"], None)
