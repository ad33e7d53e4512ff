"""Compiles the modules named in pyproject.toml in place; does nothing when they are current.

`python -m tools.compile` is what `make setup` runs. With COMPILE=0 the compiled modules are removed
instead, and the sources run as they are: for work on those very modules. Tests refuse to run on
compiled modules that are older than their sources (`stale`).
"""

import ast
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STAMP = Path(".venv", "compiled.stamp")
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")


def names(root: Path = ROOT) -> list[str]:
    """The modules that are compiled, as paths below src/custody without suffix."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    compiled: list[str] = project["tool"]["custody"]["compiled"]
    return compiled


def built(root: Path = ROOT) -> list[Path]:
    """The compiled modules that lie beside the sources, and the one that they share."""
    return sorted((root / "src").rglob(f"*{SUFFIX}"))


def digest(root: Path = ROOT) -> str:
    """Tells one state of what is compiled, and of what compiles it, from another."""
    found = hashlib.sha256(sys.version.encode())
    sources = sorted(str(path.relative_to(root)) for path in _sources(root))
    for part in ["setup.py", "pyproject.toml", "requirements/dev.txt", *sources]:
        content = (root / part).read_bytes()
        found.update(f"{part}\0{len(content)}\0".encode() + content)
    return found.hexdigest()


def _sources(root: Path) -> set[Path]:
    """What is compiled and what it imports: constants and types from there are compiled in."""
    package = root / "src" / "custody"
    found: set[Path] = set()
    waiting = [package / f"{name}.py" for name in names(root)]
    while waiting:
        path = waiting.pop()
        if path in found or not path.is_file():
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("custody"):
                base = package.parent / (node.module or "").replace(".", "/")
                waiting += [base.with_suffix(".py"), base / "__init__.py"]
                waiting += [base / f"{one.name}.py" for one in node.names]
    return found


def stale(root: Path = ROOT) -> bool:
    """Whether there are compiled modules that are not those of the sources beside them."""
    return bool(built(root)) and _stamp(root) != digest(root)


def main() -> int:
    """Compile, remove, or find nothing to do; the exit status."""
    if os.environ.get("COMPILE") == "0":
        _remove()
        return 0
    wanted = digest()
    if _stamp(ROOT) == wanted and len(built()) == len(names()) + 1:  # and what they share
        return 0
    _remove()
    if not _can_compile():
        subprocess.run([ROOT / "tools" / "packages.sh", "compile"], check=False)
    if not _can_compile():
        print("setup: no C compiler here (gcc, libc6-dev, python3-dev): it runs, but more slowly")
        return 0
    print(f"setup: compiling {len(names())} modules, which takes a minute or two", flush=True)
    _build()
    (ROOT / STAMP).write_text(wanted)
    return 0


def _build() -> None:
    """Build the extensions in place. Raises SystemExit with what the compiler said."""
    with tempfile.TemporaryDirectory(prefix="custody-build-") as work:
        done = subprocess.run(
            [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace", "--build-temp", work],
            cwd=ROOT,
            env={**os.environ, "CUSTODY_COMPILE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    shutil.rmtree(ROOT / "build", ignore_errors=True)
    if done.returncode:
        _remove()
        sys.exit(f"setup: the modules do not compile\n{done.stdout[-4000:]}")


def _can_compile() -> bool:
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    headers = Path(sysconfig.get_path("include")) / "Python.h"
    if shutil.which(compiler) is None or not headers.is_file():
        return False
    tried = subprocess.run(
        [compiler, "-fsyntax-only", "-xc", "-"], input=b"#include <stdlib.h>\n", check=False,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return tried.returncode == 0


def _stamp(root: Path) -> str:
    stamp = root / STAMP
    return stamp.read_text() if stamp.is_file() else ""


def _remove() -> None:
    for module in built():
        module.unlink()
    (ROOT / STAMP).unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
