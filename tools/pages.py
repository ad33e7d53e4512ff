"""Hooks of MkDocs: pages that lie beside docs/ join the site, and no link leaves it for a file.

Links in the sources are those that work in a clone. In the site a link to a page of ours leads to
that page, and one to any other file is shown as text.
"""

import os
import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).resolve().parent.parent
BESIDE: Final = {
    ROOT / "ARCHITECTURE.md": "explain/architecture.md",
    ROOT / "SECURITY.md": "explain/security.md",
    ROOT / "CONTRIBUTING.md": "explain/contributing.md",
}
_API: Final = "reference/api/"  # in the navigation: a page for each engine
_LINK: Final = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Name the pages of the API in the navigation."""
    found = sorted((Path(config.docs_dir) / _API).glob("*.md"))
    config.nav = _filled(config.nav, [_API + path.name for path in found])
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that lie beside docs/."""
    for path, uri in BESIDE.items():
        files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - as MkDocs calls it
    """The page with the links that hold in the site."""
    source, docs = Path(page.file.abs_src_path or ""), Path(config.docs_dir)

    def led(found: re.Match[str]) -> str:
        text, target, anchor = found[1], found[2], found[3] or ""
        if "://" in target:
            return found[0]
        path = Path(os.path.normpath(source.parent / target))
        uri = BESIDE.get(path) or (
            path.relative_to(docs).as_posix() if path.is_relative_to(docs) else ""
        )
        if not uri:
            return text
        return f"[{text}]({os.path.relpath(uri, Path(page.file.src_uri).parent)}{anchor})"

    return _LINK.sub(led, markdown)


def _filled(nav: object, pages: list[str]) -> object:
    """`nav` with `pages` in the place of the directory's name."""
    if isinstance(nav, dict):
        return {title: _filled(below, pages) for title, below in nav.items()}
    if isinstance(nav, list):
        return [_filled(one, pages) for one in nav]
    return pages if nav == _API else nav
