"""KV version 2 against a naive model: lists of versions in a dict of paths."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from custody.base.clock import NANOSECOND, rfc3339
from custody.base.errors import BadRequest, NotFound
from custody.engines.kv import ENGINE
from custody.engines.kv.v2.records import METADATA_KEY
from custody.plugin.route import Op
from custody.testing.engine import MountedEngine

PATHS = st.sampled_from(["a", "a/b", "a/b/c"])
VALUES = st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
DATA = st.dictionaries(st.sampled_from("xyz"), VALUES | st.dictionaries(st.just("n"), VALUES))
CAS = st.sampled_from([None, None, None, 0, 1, 2, 3])
TTL = st.sampled_from([0, 3, 9])  # seconds
VERSIONS = st.lists(st.integers(0, 8), min_size=1, max_size=3)


@dataclass
class ModelVersion:
    data: dict[str, Any]
    deleted: bool = False
    destroyed: bool = False
    expires: int = 0  # ns, 0: never

    def gone(self, now: int) -> bool:
        return self.deleted or self.destroyed or 0 < self.expires <= now


@dataclass
class ModelSecret:
    versions: dict[int, ModelVersion] = field(default_factory=dict)
    current: int = 0
    max_versions: int = 0
    ttl: int = 0  # seconds
    cas_required: bool = False
    custom: dict[str, str] = field(default_factory=dict)


def merged(target: Any, patch: Any) -> Any:
    """RFC 7396 said another way: by names, not by changes."""
    if not isinstance(patch, dict):
        return patch
    base = target if isinstance(target, dict) else {}
    kept = {name: value for name, value in base.items() if name not in patch}
    return kept | {
        name: merged(base.get(name), value) for name, value in patch.items() if value is not None
    }


class KVMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.kv = MountedEngine(ENGINE)
        self.model: dict[str, ModelSecret] = {}
        self.max_versions = 0
        self.ttl = 0

    @initialize(max_versions=st.sampled_from([0, 2, 3]), ttl=st.sampled_from([0, -1, 7]))
    def configure(self, max_versions: int, ttl: int) -> None:
        body = {"max_versions": max_versions, "delete_version_after": ttl}
        self.kv.call(Op.WRITE, "config", body)
        self.max_versions, self.ttl = max_versions, ttl

    @initialize(path=PATHS, ttl=TTL, writes=st.integers(0, 4))
    def begin(self, path: str, ttl: int, writes: int) -> None:
        self.set_metadata(path, 0, ttl, cas_required=False)
        for number in range(writes):
            self.write(path, {"x": number}, None)

    @rule(seconds=st.integers(1, 5))
    def pass_time(self, seconds: int) -> None:
        self.kv.now_ns += seconds * NANOSECOND

    @rule(path=PATHS, data=DATA, cas=CAS)
    def put(self, path: str, data: dict[str, Any], cas: int | None) -> None:
        self.write(path, data, cas)

    @rule(path=PATHS, data=DATA, cas=CAS)
    def patch(self, path: str, data: dict[str, Any], cas: int | None) -> None:
        secret = self.model.get(path)
        answer = self.send(Op.PATCH, path, data, cas)
        if secret is None:
            assert answer == "absent"
        elif not self.allowed(secret, cas):
            assert answer == "refused"
        elif secret.current == 0:
            assert answer == "absent"
        elif secret.versions[secret.current].gone(self.kv.now_ns):
            assert answer == "gone"
        else:
            assert answer == secret.current + 1
            self.add(secret, merged(secret.versions[secret.current].data, data))

    @rule(path=PATHS)
    def delete_current(self, path: str) -> None:
        self.kv.call(Op.DELETE, f"data/{path}")
        secret = self.model.get(path)
        if secret is not None:
            self.mark_deleted(secret, [secret.current])

    @rule(path=PATHS, verb=st.sampled_from(["delete", "undelete", "destroy"]), numbers=VERSIONS)
    def change_versions(self, path: str, verb: str, numbers: list[int]) -> None:
        self.kv.call(Op.WRITE, f"{verb}/{path}", {"versions": numbers})
        if path not in self.model:
            return
        if verb == "delete":
            self.mark_deleted(self.model[path], numbers)
        elif verb == "undelete":
            self.mark_restored(self.model[path], numbers)
        else:
            self.mark_destroyed(self.model[path], numbers)

    @rule(path=PATHS, limit=st.integers(0, 4), ttl=TTL, cas_required=st.booleans())
    def write_metadata(self, path: str, limit: int, ttl: int, *, cas_required: bool) -> None:
        self.set_metadata(path, limit, ttl, cas_required=cas_required)

    @rule(path=PATHS)
    def delete_metadata(self, path: str) -> None:
        self.kv.call(Op.DELETE, f"metadata/{path}")
        self.model.pop(path, None)

    @invariant()
    def every_version_reads_as_the_model_says(self) -> None:
        for path, secret in self.model.items():
            for number in range(1, secret.current + 2):
                self.check_version(path, secret, number)

    @invariant()
    def metadata_is_as_the_model_says(self) -> None:
        for path, secret in self.model.items():
            reply = self.kv.call(Op.READ, f"metadata/{path}")
            assert reply is not None
            assert reply.data is not None
            assert reply.data["current_version"] == secret.current
            assert reply.data["custom_metadata"] == (secret.custom or None)
            assert list(reply.data["versions"]) == [str(number) for number in secret.versions]

    @invariant()
    def the_names_are_those_of_the_model(self) -> None:
        reply = self.kv.call(Op.SCAN, "metadata/")
        assert reply is not None
        assert reply.data == ({"keys": sorted(self.model)} if self.model else {})

    @invariant()
    def no_row_is_left_over(self) -> None:
        kinds = [(key[:1], len(key) > METADATA_KEY) for key in self.kv.storage.rows]
        tables = [table for table, _ in kinds]
        folders = {
            path[:place] for path in self.model for place in range(len(path)) if path[place] == "/"
        }
        kept = [v for secret in self.model.values() for v in secret.versions.values()]
        assert tables.count(b"D") == len(self.model) + len(folders)
        payloads = sum(not version.destroyed for version in kept)
        assert kinds.count((b"M", False)) == len(self.model)
        assert kinds.count((b"M", True)) == payloads
        assert b"V" not in tables
        assert tables.count(b"C") == 1

    def write(self, path: str, data: dict[str, Any], cas: int | None) -> None:
        secret = self.model.get(path, ModelSecret())
        answer = self.send(Op.WRITE, path, data, cas)
        if not self.allowed(secret, cas):
            assert answer == "refused"
            return
        assert answer == secret.current + 1
        self.model[path] = secret
        self.add(secret, data)

    def set_metadata(self, path: str, limit: int, ttl: int, *, cas_required: bool) -> None:
        body = {
            "max_versions": limit,
            "delete_version_after": f"{ttl}s",
            "cas_required": cas_required,
            "custom_metadata": {"limit": str(limit)},
        }
        self.kv.call(Op.WRITE, f"metadata/{path}", body)
        secret = self.model.setdefault(path, ModelSecret())
        secret.max_versions, secret.ttl, secret.cas_required = limit, ttl, cas_required
        secret.custom = {"limit": str(limit)}

    def send(self, op: Op, path: str, data: dict[str, Any], cas: int | None) -> Any:
        options = {} if cas is None else {"options": {"cas": cas}}
        try:
            reply = self.kv.call(op, f"data/{path}", {"data": data, **options})
        except BadRequest:
            return "refused"
        except NotFound:
            return "absent"
        assert reply is not None
        return "gone" if reply.status == 404 else (reply.data or {})["version"]

    def check_version(self, path: str, secret: ModelSecret, number: int) -> None:
        version = secret.versions.get(number)
        try:
            reply = self.kv.call(Op.READ, f"data/{path}", query={"version": str(number)})
        except NotFound:
            assert version is None
            return
        assert version is not None
        assert reply is not None
        assert reply.data is not None
        gone = version.gone(self.kv.now_ns)
        assert reply.status == (404 if gone else None)
        assert reply.data["data"] == (None if gone else version.data)
        assert reply.data["metadata"]["destroyed"] == version.destroyed
        if not version.deleted and not version.destroyed:
            expires = rfc3339(version.expires) if version.expires else ""
            assert reply.data["metadata"]["deletion_time"] == expires

    def allowed(self, secret: ModelSecret, cas: int | None) -> bool:
        return not secret.cas_required if cas is None else cas == secret.current

    def add(self, secret: ModelSecret, data: dict[str, Any]) -> None:
        secret.current += 1
        secret.versions[secret.current] = ModelVersion(data, expires=self.expiry(secret))
        limit = secret.max_versions or self.max_versions or 10
        for number in [number for number in secret.versions if number <= secret.current - limit]:
            del secret.versions[number]

    def mark_deleted(self, secret: ModelSecret, numbers: list[int]) -> None:
        for number in numbers:
            version = secret.versions.get(number)
            if version is not None and not version.gone(self.kv.now_ns):
                version.deleted = True

    def mark_restored(self, secret: ModelSecret, numbers: list[int]) -> None:
        for number, version in secret.versions.items():
            if number in numbers and not version.destroyed:
                version.deleted = False
                version.expires = self.expiry(secret)

    def mark_destroyed(self, secret: ModelSecret, numbers: list[int]) -> None:
        for number, version in secret.versions.items():
            version.destroyed |= number in numbers

    def expiry(self, secret: ModelSecret) -> int:
        if self.ttl < 0 or not (self.ttl or secret.ttl):
            return 0
        seconds = min(self.ttl or secret.ttl, secret.ttl or self.ttl)
        return self.kv.now_ns + seconds * NANOSECOND


TestKVMachine = KVMachine.TestCase
TestKVMachine.settings = settings(max_examples=100, stateful_step_count=40)
