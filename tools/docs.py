"""`make docs`: writes docs/reference/routes.md from the route tables, and checks every link.

With --check nothing is written: a page that differs from its tables is an error.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from custody.plugin.route import Access, Engine, Op, Route
from custody.serve.catalog import load

ROOT = Path(__file__).resolve().parent.parent
ROUTES = ROOT / "docs" / "reference" / "routes.md"

_PLACES = {
    "system": "sys/",
    "token": "auth/token/",
    "kv": "secret/",
    "kv-v1": "kv/",
}  # others: their kind
_VERBS = {
    Op.READ: "GET",
    Op.LIST: "LIST",
    Op.SCAN: "SCAN",
    Op.WRITE: "POST",
    Op.PATCH: "PATCH",
    Op.DELETE: "DELETE",
}
_CALLERS = {
    Access.AUTHENTICATED: "a token whose policies allow it",
    Access.SUDO: "a token with `sudo`",
    Access.OPTIONAL: "anyone; a token is checked where one is given",
    Access.PUBLIC: "anyone",
}
_HEAD = """\
# Routes

Written by `make docs` from the tables in the code; changes to this page are lost. Every path begins
with `/v1/`. PUT is the same as POST, and `GET …?list=true` the same as LIST. `?help=1` on a path
shows its help on a running server.
"""
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_NOT_OURS = frozenset({".git", ".venv", ".dev"})


def main() -> int:
    """Write or check; the exit code."""
    text = _routes()
    if "--check" in sys.argv[1:]:
        stale = not ROUTES.exists() or ROUTES.read_text() != text
    else:
        ROUTES.parent.mkdir(parents=True, exist_ok=True)
        ROUTES.write_text(text)
        stale = False
    problems = [f"{ROUTES.relative_to(ROOT)}: not what the tables say; run make docs"] * stale
    problems += _broken_links()
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _routes() -> str:
    sections = [_section(kind, engine) for kind, engine in load().items()]
    return "\n".join([_HEAD, *sections])


def _section(kind: str, engine: Engine) -> str:
    place = _PLACES.get(kind, f"{kind}/")
    mounted = "" if engine.system else f" Shown as mounted at `{place}`."
    lines = [f"## {kind}", "", f"{engine.help}{mounted}", ""]
    lines += ["| path | verbs | who may call | what it is |", "| --- | --- | --- | --- |"]
    lines += [_row(place, route) for route in engine.routes]
    return "\n".join(lines) + "\n"


def _row(place: str, route: Route) -> str:
    verbs = ", ".join(_VERBS[op] for op in route.actions)
    callers = {action.access or route.access for action in route.actions.values()}
    words = "; ".join(_CALLERS[access] for access in Access if access in callers)
    return f"| `{place}{route.pattern}` | {verbs} | {words} | {route.help.replace('|', '&#124;')} |"


def _broken_links() -> list[str]:
    """Links of our pages to files of ours that are not there."""
    return [
        f"{page.relative_to(ROOT)}: no such file: {target}"
        for page in _pages()
        for target in _LINK.findall(page.read_text())
        if "://" not in target and not target.startswith("#")
        if not (page.parent / target.partition("#")[0]).exists()
    ]


def _pages() -> Iterator[Path]:
    for page in sorted(ROOT.rglob("*.md")):
        if _NOT_OURS.isdisjoint(page.relative_to(ROOT).parts):
            yield page


if __name__ == "__main__":
    sys.exit(main())
