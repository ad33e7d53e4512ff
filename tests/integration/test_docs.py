"""Every command that a page of docs/ shows does what the page says, against a real server."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.harness import Server
from tests.pages import DOCS, Reader, blocks, unrun

# Pages that start their own server, and what else they stand on.
_OWN = {"start/first-secret.md": 1, "start/production.md": 3}  # and their threshold of shares
_HELD = {"how-to/backup.md": 2, "how-to/keys.md": 2, "how-to/unseal.md": 2}  # on one of its own
_SHOWN = {"how-to/service.md", "start/first-secret.md"}  # some of whose blocks are not run


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A reader, in an empty directory."""
    one = Reader(tmp_path / "home")
    try:
        yield one
    finally:
        one.close()


@pytest.mark.parametrize("name", _OWN)
def test_a_page_that_begins_with_nothing_works(name: str, reader: Reader) -> None:
    reader.ports, reader.threshold = {"8200": _free_port()}, _OWN[name]
    reader.follow(DOCS / name)


@pytest.mark.parametrize("name", _HELD)
def test_a_page_for_share_holders_works(name: str, reader: Reader, new_node: Server) -> None:
    new_node.initialise(shares=3, threshold=_HELD[name])
    new_node.mount()
    reader.shares, reader.threshold = new_node.shares, _HELD[name]
    _reach(reader, new_node)
    reader.follow(DOCS / name)


@pytest.mark.parametrize("name", sorted(
    str(page.relative_to(DOCS))
    for page in DOCS.rglob("*.md")
    if any(block.run for block in blocks(page))
    if "reference" not in page.parts
    if str(page.relative_to(DOCS)) not in _OWN | _HELD
))  # fmt: skip
def test_a_page_works(name: str, reader: Reader, shared_node: Server) -> None:
    _reach(reader, shared_node)
    reader.follow(DOCS / name)


def test_only_these_pages_show_what_is_not_run() -> None:
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if unrun(page)}
    assert pages == _SHOWN


def test_no_page_shows_commands_in_a_block_that_is_not_looked_at() -> None:
    kinds = {block.kind for page in DOCS.rglob("*.md") for block in blocks(page)}
    assert kinds <= {"sh", "text", "hcl", "python"}


def _reach(reader: Reader, node: Server) -> None:
    reader.ports = {"8200": node.port}
    reader.variables |= {"CUSTODY_ADDR": node.address, "CUSTODY_TOKEN": node.token}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
