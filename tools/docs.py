"""`make docs`: writes the reference from the code, checks every link, builds the site.

With --check nothing is written or built: a page that differs from its tables is an error.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.reference import commands, configuration, errors, limits, metrics, routes

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
SITE = ROOT / "site"  # as mkdocs.yml says

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_NOT_OURS = frozenset({".git", ".venv", ".dev", SITE.name})


def main() -> int:
    """Write and build, or check; the exit code."""
    checking = "--check" in sys.argv[1:]
    pages = reference()
    if not checking:
        write(pages)
    problems = [*stale(pages), *_broken_links()]
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems or checking:
        return 1 if problems else 0
    return build(SITE)


def reference() -> Mapping[Path, str]:
    """Every page of the reference, by where it lies."""
    return {
        REFERENCE / "routes.md": routes.page(),
        **{REFERENCE / "api" / f"{kind}.md": text for kind, text in routes.pages()},
        REFERENCE / "commands.md": commands.page(),
        REFERENCE / "configuration.md": configuration.page(),
        REFERENCE / "errors.md": errors.page(),
        REFERENCE / "limits.md": limits.page(),
        REFERENCE / "metrics.md": metrics.page(),
    }


def write(pages: Mapping[Path, str]) -> None:
    """Write what differs, and remove pages of what is no more."""
    for path, text in pages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in _surplus(pages):
        path.unlink()


def stale(pages: Mapping[Path, str]) -> list[str]:
    """What is not as the tables say."""
    differing = [
        path
        for path, text in pages.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    return [
        f"{path.relative_to(ROOT)}: not what the code says; run make docs"
        for path in (*differing, *_surplus(pages))
    ]


def build(site: Path) -> int:
    """Build the site into `site`; the exit code. A link or an anchor that leads nowhere fails."""
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--clean"]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # the theme's banner about its successor
    return subprocess.run(
        [*command, f"--site-dir={site}"], cwd=ROOT, env=quiet, check=False
    ).returncode


def _surplus(pages: Mapping[Path, str]) -> list[Path]:
    """Pages of engines that are no more."""
    return [path for path in sorted((REFERENCE / "api").glob("*.md")) if path not in pages]


def _broken_links() -> list[str]:
    """Links of our pages to files of ours that are not there."""
    return [
        f"{page.relative_to(ROOT)}: no such file: {target}"
        for page in _pages()
        for target in _LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in target and not target.startswith("#")
        if not (page.parent / target.partition("#")[0]).exists()
    ]


def _pages() -> Iterator[Path]:
    for page in sorted(ROOT.rglob("*.md")):
        if _NOT_OURS.isdisjoint(page.relative_to(ROOT).parts):
            yield page


if __name__ == "__main__":
    sys.exit(main())
