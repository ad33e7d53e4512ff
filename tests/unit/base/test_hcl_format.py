"""HCL laid out: as HashiCorp's formatter does, and never with another meaning."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.base.hcl import HCLError, parse, plain
from custody.base.hcl_format import CannotFormat, layout

UNTIDY = """\
# top
path "a" { capabilities = ["read",
   "list"] # why
comment="x"
 /* many
     lines */
 max_wrapping_ttl  =   "5s" }



path   "b" {capabilities=["deny"]}
path "c" {
capabilities=["create"] // c1
comment="x" # c2

min_wrapping_ttl="1s"
     allowed_parameters = {
  "a"=["x"]
     "longer" = []
     }
}
path "d" { comment = <<EOT
  raw   text
EOT
}
"""
TIDY = """\
# top
path "a" {
  capabilities = [
    "read",
    "list",
  ] # why

  comment = "x"

  /* many
     lines */
  max_wrapping_ttl = "5s"
}

path "b" {
  capabilities = ["deny"]
}

path "c" {
  capabilities = ["create"] // c1
  comment      = "x"        # c2

  min_wrapping_ttl = "1s"

  allowed_parameters = {
    "a"      = ["x"]
    "longer" = []
  }
}

path "d" {
  comment = <<EOT
  raw   text
EOT
}
"""


def test_a_policy_is_laid_out_as_hashicorps_formatter_does() -> None:
    assert layout(UNTIDY) == TIDY
    assert layout(TIDY) == TIDY


@pytest.mark.parametrize(
    ("text", "laid"),
    [
        ("", ""),
        ("# only this", "# only this\n"),
        ("a = 1 # one\n# last", "a = 1 # one\n\n# last\n"),
        ("a=1,b=2", "a = 1\nb = 2\n"),
        ('a {}\nb "x" {\n}', 'a {}\n\nb "x" {}\n'),
        ("a = [ # first\n1, # one\n2 # two\n]", "a = [\n  # first\n  1, # one\n  2, # two\n]\n"),
        ("a = [{b=1},{}]", "a = [\n  {\n    b = 1\n  },\n  {},\n]\n"),
        ("a = 1\r\nbb = 2\r\n", "a  = 1\nbb = 2\n"),
        ('a = ["x#y", "//"]', 'a = ["x#y", "//"]\n'),
        ("a {\n# inside\n}", "a {\n  # inside\n}\n"),
    ],
)
def test_what_stands_where(text: str, laid: str) -> None:
    assert layout(text) == laid
    assert layout(laid) == laid


_PIECES = st.sampled_from(
    ["a", '"b"', "=", "{", "}", "[", "]", ",", "1", '"x"', "true", "\n", " ", "# c\n", "/* d */",
     "<<E\n h\nE\n", '"${f("g")}"', "-2.5"]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=30).map("".join))
def test_no_text_comes_out_with_another_meaning(text: str) -> None:
    try:
        before = parse(text)
    except HCLError:
        return
    try:
        laid = layout(text)
    except CannotFormat:
        return  # said, and not written
    assert plain(parse(laid)) == plain(before)
    assert laid.count("# c") == text.count("# c")
    assert laid.count("/* d */") == text.count("/* d */")
    assert layout(laid) == laid
