"""The site of docs/ is built without a warning, and fetches nothing from other servers."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tools import docs

_LOADS = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src",
          "audio": "src", "video": "src", "object": "data", "use": "href"}  # fmt: skip


class _Loaded(HTMLParser):
    """What a browser would fetch for a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.classes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.classes |= set(given.get("class", "").split())
        if tag in _LOADS and given.get("rel") != "canonical":
            self.found.append(given.get(_LOADS[tag], ""))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built."""
    place = tmp_path_factory.mktemp("site")
    assert docs.build(place) == 0
    return place


def test_nothing_is_fetched_from_another_server(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        loaded = _Loaded()
        loaded.feed(page.read_text(encoding="utf-8"))
        away = [target for target in loaded.found if re.match(r"(\w+:)?//", target)]
        assert away == [], page.name
        # The theme's script fetches a renderer for diagrams from elsewhere, once there are any.
        assert "mermaid" not in loaded.classes, page.name


def test_styles_name_no_other_server(site: Path) -> None:
    styles = sorted(site.rglob("*.css"))
    assert styles
    for style in styles:
        assert re.findall(r"(?:@import|url\()\s*[\"']?(?:\w+:)?//", style.read_text()) == []


def test_pages_that_lie_beside_docs_are_in_the_site_and_lead_to_its_pages(site: Path) -> None:
    text = (site / "explain" / "architecture.html").read_text(encoding="utf-8")
    assert 'href="security.html"' in text
    assert 'href="../src' not in text
