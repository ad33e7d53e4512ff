"""What is compiled: current, in use, and careful where compiled code differs."""

import ast
import importlib
import shutil
from pathlib import Path

import pytest
from tools import compile as compiled

NAMES = compiled.names()


def source(name: str) -> str:
    return (compiled.ROOT / "src" / "custody" / f"{name}.py").read_text()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project, with nothing compiled."""
    for part in ("setup.py", "pyproject.toml", "requirements/dev.txt"):
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(compiled.ROOT / part, tmp_path / part)
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(compiled.ROOT / "src", tmp_path / "src", ignore=ignored)
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_what_was_compiled_is_what_runs(name: str) -> None:
    module = importlib.import_module(f"custody.{name.replace('/', '.')}")
    assert module.__file__ is not None
    suffix = Path(module.__file__).suffix
    assert suffix == (".so" if compiled.built() else ".py")


@pytest.mark.parametrize("name", NAMES)
def test_no_error_shows_what_it_was_raised_over(name: str) -> None:
    for node in ast.walk(ast.parse(source(name))):
        if isinstance(node, ast.Raise) and isinstance(node.cause, ast.Constant):
            raised = node.exc
            assert isinstance(raised, ast.Call), f"{name}:{node.lineno}"
            assert ast.unparse(raised.func) == "unchained", f"{name}:{node.lineno}"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_awaited_while_an_exception_is_handled(name: str) -> None:
    """A compiled coroutine does not keep the exception that it handles across a wait: to raise it
    again raises what others have left there, and the request would never be answered."""
    waits = (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.Yield, ast.YieldFrom)
    for node in ast.walk(ast.parse(source(name))):
        if isinstance(node, ast.Try):
            handling = [*node.handlers, *node.finalbody]
            found = [inner for part in handling for inner in ast.walk(part)]
            assert not [inner for inner in found if isinstance(inner, waits)], (
                f"{name}:{node.lineno}"
            )
        if isinstance(node, ast.AsyncWith):  # leaving asyncio.timeout waits for nothing
            managers = [ast.unparse(item.context_expr) for item in node.items]
            assert all(one.startswith("asyncio.timeout(") for one in managers), managers


def test_a_change_of_any_source_is_seen(copy: Path) -> None:
    digests = {compiled.digest(copy)}
    parts = ("src/custody/http/app.py", "setup.py", "pyproject.toml", "requirements/dev.txt")
    constants = "src/custody/http/errors.py"  # imported by what is compiled, and compiled in
    for part in (*parts, constants):
        with (copy / part).open("a") as file:
            file.write("# another line\n")
        digests.add(compiled.digest(copy))
    assert len(digests) == 1 + len(parts) + 1


def test_what_was_compiled_from_other_sources_is_stale(copy: Path) -> None:
    assert not compiled.stale(copy)  # nothing is compiled there
    shutil.copy(__file__, copy / "src" / f"custody__mypyc{compiled.SUFFIX}")
    assert compiled.stale(copy)
    stamp = copy / compiled.STAMP
    stamp.parent.mkdir()
    stamp.write_text(compiled.digest(copy))
    assert not compiled.stale(copy)
    (copy / "src/custody/http/app.py").write_text("")
    assert compiled.stale(copy)
