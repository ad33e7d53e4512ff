"""Pages of LIST and SCAN put together are the whole, for names of any form."""

from hypothesis import given, settings
from hypothesis import strategies as st

from custody.base.errors import NotFound
from custody.engines.kv import ENGINE
from custody.plugin.route import Op
from custody.testing.engine import MountedEngine

SEGMENTS = st.sampled_from(["a", "a!", "a-b", "a.", "ab", "A", "é", "日", "~", " ", "\x01", "0"])
ANY_SEGMENT = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="/"), min_size=1, max_size=5
)
FEW = st.sampled_from(["a", "a!"])  # so that paths share directories
PATHS = st.lists(FEW | FEW | SEGMENTS | ANY_SEGMENT, min_size=1, max_size=4).map("/".join)


def mounted(paths: set[str]) -> MountedEngine:
    kv = MountedEngine(ENGINE)
    for path in paths:
        kv.call(Op.WRITE, f"data/{path}", {"data": {}})
    return kv


def paged(kv: MountedEngine, op: Op, directory: str, limit: int) -> list[str]:
    found: list[str] = []
    after = ""
    while True:
        try:
            reply = kv.call(
                op, f"metadata/{directory}", query={"after": after, "limit": str(limit)}
            )
        except NotFound:
            return found
        assert reply is not None
        if not reply.data:
            assert op is Op.SCAN
            return found
        page: list[str] = reply.data["keys"]
        assert 0 < len(page) <= limit
        found += page
        after = page[-1]


def below(paths: set[str], directory: str) -> set[str]:
    return {path.removeprefix(directory) for path in paths if path.startswith(directory)}


def names(paths: set[str]) -> set[str]:
    return {head + slash for head, slash, _ in (path.partition("/") for path in paths)}


@settings(max_examples=100)
@given(st.sets(PATHS, min_size=1, max_size=12), st.integers(1, 5), st.data())
def test_pages_put_together_are_the_sorted_whole(
    paths: set[str], limit: int, data: st.DataObject
) -> None:
    kv = mounted(paths)
    folders = {"".join(path.rpartition("/")[:2]) for path in paths} | {""}
    directory = data.draw(st.sampled_from(sorted(folders)))
    inside = below(paths, directory)
    assert paged(kv, Op.LIST, directory, limit) == sorted(names(inside), key=str.encode)
    assert paged(kv, Op.SCAN, directory, limit) == sorted(inside, key=str.encode)


@settings(max_examples=100)
@given(st.sets(PATHS, min_size=1, max_size=12), st.data())
def test_a_scan_after_any_path_gives_exactly_the_paths_that_follow(
    paths: set[str], data: st.DataObject
) -> None:
    kv = mounted(paths)
    after = data.draw(PATHS | st.sampled_from(sorted(paths)))
    expected = sorted((path for path in paths if path.encode() > after.encode()), key=str.encode)
    reply = kv.call(Op.SCAN, "metadata/", query={"after": after})
    assert reply is not None
    assert reply.data == ({"keys": expected} if expected else {})


@settings(max_examples=100)
@given(st.sets(PATHS, min_size=1, max_size=12), st.data())
def test_removing_secrets_leaves_exactly_the_rows_of_the_others(
    paths: set[str], data: st.DataObject
) -> None:
    kv = mounted(paths)
    order = data.draw(st.permutations(sorted(paths)))
    left = set(paths)
    for path in order:
        kv.call(Op.DELETE, f"metadata/{path}")
        left.remove(path)
        assert paged(kv, Op.SCAN, "", 100) == sorted(left, key=str.encode)
    assert [key[:1] for key in kv.storage.rows] == [b"C"]
