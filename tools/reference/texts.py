"""Finds the texts of errors where they are raised: what varies in one is shown as `…`."""

import ast
import pkgutil
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

import custody
from custody.base.errors import CustodyError

_SOURCE = Path(custody.__file__).parent
_CLIENT = frozenset({"cli", "testing"})  # what they raise never leaves by the API
_VARIES = "…"


def found() -> set[tuple[str, str]]:
    """The class and the text of every error that is raised with one."""
    names = {kind.__name__ for kind in classes()}
    texts = set()
    for path in sorted(_SOURCE.rglob("*.py")):
        if _CLIENT.isdisjoint(path.relative_to(_SOURCE).parts):
            texts |= set(_of_module(ast.parse(path.read_text(encoding="utf-8")), names))
    return texts


def classes() -> list[type[CustodyError]]:
    """Every class of error, each before those below it."""
    for module in pkgutil.walk_packages(custody.__path__, "custody."):
        if _CLIENT.isdisjoint(module.name.split(".")):
            import_module(module.name)
    kinds: list[type[CustodyError]] = [CustodyError]
    for kind in kinds:
        kinds += [below for below in kind.__subclasses__() if below not in kinds]
    return kinds


def _of_module(module: ast.Module, names: set[str]) -> Iterator[tuple[str, str]]:
    constants = {
        target.id: statement.value
        for statement in module.body
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None
        for target in (
            statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        )
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and (name := _called(node.func)) in names:
            for argument in node.args:
                for text in _texts(argument, constants):
                    if text.strip(_VARIES + " :"):
                        yield name, text


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _texts(node: ast.expr, constants: Mapping[str, ast.expr]) -> list[str]:
    """What an expression may say; one text with a gap where nothing is known of it."""
    match node:
        case ast.Constant(value=str(text)):
            told = [text]
        case ast.JoinedStr(values=parts):
            told = ["".join(_texts(part, constants)[0] for part in parts)]
        case ast.FormattedValue(value=ast.Name(id=name)) | ast.Name(id=name) if name in constants:
            told = _texts(constants[name], constants)
        case ast.IfExp(body=one, orelse=other):
            told = _texts(one, constants) + _texts(other, constants)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            told = [_texts(left, constants)[0] + _texts(right, constants)[0]]
        case ast.Starred(value=ast.GeneratorExp(elt=one)):
            told = _texts(one, constants)
        case _:
            told = [_VARIES]
    return told
