"""The reference is what the code says: nothing is missing, and nothing stale passes."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from tools import docs
from tools.reference import commands, configuration, errors, markdown, metrics, routes, texts

import custody
from custody.audit.options import OPTIONS
from custody.cli.environment import VARIABLES
from custody.cli.tree import COMMANDS
from custody.core.metrics import exposed
from custody.core.router import captured
from custody.http.errors import STATUS
from custody.plugin.fields import described
from custody.plugin.shape import arms, members
from custody.seals.kinds import KINDS
from custody.serve.catalog import load
from custody.serve.keys import AUDIT, LISTENER, STORAGE, TOP
from custody.serve.page import NAMES

_SOURCE = Path(custody.__file__).parent


def test_the_pages_are_what_the_code_says() -> None:
    assert docs.stale(docs.reference()) == []


@pytest.mark.parametrize("change", [lambda text: text + "more", lambda text: text[:-9]])
def test_a_page_that_says_something_else_is_named(change: Callable[[str], str]) -> None:
    page = docs.REFERENCE / "metrics.md"
    stale = docs.stale({page: change(page.read_text()), docs.ROOT / "docs/none.md": ""})
    named = [text.partition(":")[0] for text in stale]
    assert "docs/reference/metrics.md" in named
    assert "docs/none.md" in named


def test_a_page_of_an_engine_that_is_no_more_is_named() -> None:
    left = {path: text for path, text in docs.reference().items() if path.name != "kv.md"}
    assert [text.partition(":")[0] for text in docs.stale(left)] == ["docs/reference/api/kv.md"]


def test_every_route_and_verb_has_its_line() -> None:
    short, long = routes.page(), dict(routes.pages())
    for kind, engine in load().items():
        for route in engine.routes:
            assert f"{route.pattern}` |" in short
            assert re.search(rf"^## `.*{re.escape(route.pattern)}`$", long[kind], re.MULTILINE)
        said = len(re.findall(r"^- \*\*[A-Z]+\*\* .*\S\*$", long[kind], re.MULTILINE))
        assert said == sum(len(route.actions) for route in engine.routes)


def test_every_parameter_and_field_of_an_answer_has_its_line() -> None:
    for kind, page in routes.pages():
        for route in load()[kind].routes:
            for name, one in captured(route).items():
                assert f"- `{name}`: {one.about}\n" in page
            for action in route.actions.values():
                for name, one in described(action.body).items():
                    assert re.search(rf"`{name}` [^:]+: {re.escape(one.told)}$", page, re.MULTILINE)
                for name in {name for arm in arms(action.shows) for name in members(arm)}:
                    assert re.search(rf"- (answer|or): (.*, )?`{name}` ", page), name


def test_every_verb_says_what_it_does() -> None:
    silent = [
        f"{kind} {route.pattern} {op}"
        for kind, engine in load().items()
        for route in engine.routes
        for op, action in route.actions.items()
        if not action.summary
    ]
    assert silent == []


def test_every_command_option_and_variable_is_there() -> None:
    page = commands.page()
    for command in COMMANDS.values():
        assert f"### custody {command.name}\n" in page
        for flag in (*command.flags, *command.shared):
            assert re.search(rf"^\| `-{flag.name}[=`]", page, re.MULTILINE), flag.name
    for name in VARIABLES:
        assert f"| `CUSTODY_{name}` |" in page


def test_every_variable_that_a_command_reads_is_told_of() -> None:
    told = set(VARIABLES)
    for command in COMMANDS.values():
        told |= {flag.variable for flag in (*command.flags, *command.shared)}
    read = {name for name in _texts_given("cli", ("get", "switch")) if name.isupper()}
    read |= {name for name in _texts_given("cli", ("_either",)) if name.isupper()}
    assert len(read) > 10
    assert read - {"HOME", "NO_PROXY"} <= told  # those are the system's, without a prefix
    assert set(VARIABLES) <= read


def test_every_key_of_a_configuration_is_there() -> None:
    page = configuration.page()
    tables: list[Mapping[str, object]] = [TOP, STORAGE, LISTENER, AUDIT, OPTIONS]
    tables += [kind.options for kind in KINDS.values()]
    for table in tables:
        for key in table:
            assert f"| `{key}` |" in page


def test_every_option_of_an_audit_device_that_is_read_is_told_of() -> None:
    read = set(_texts_given("audit", ("get", "flag")))
    assert read & set(OPTIONS)
    assert read - {"", "json"} <= set(OPTIONS)


def test_every_class_and_text_of_an_error_is_there() -> None:
    page = errors.page()
    for status in STATUS.values():
        assert f"| {status} |" in page
    raised = {name for name, _ in texts.found()}
    for kind in texts.classes():
        assert kind.__name__ not in raised or set(kind.__mro__) & set(STATUS), kind
    for text in ("permission denied", "unsupported path", "Vault is sealed", "invalid token"):
        assert f"`{text}`" in page


def test_every_metric_is_there() -> None:
    page = metrics.page()
    for name in NAMES:
        assert f"| `{exposed(name)}` |" in page


def test_a_cell_does_not_end_its_row() -> None:
    text = markdown.table(("a",), [("one | two\nthree",)])
    assert text.splitlines()[-1] == "| one &#124; two three |"


def _texts_given(package: str, functions: tuple[str, ...]) -> Iterator[str]:
    """Texts that the modules of a package give to functions or methods of these names."""
    for path in sorted((_SOURCE / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in functions:
                yield from (
                    one.value
                    for one in node.args
                    if isinstance(one, ast.Constant) and isinstance(one.value, str)
                )
