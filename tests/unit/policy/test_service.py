"""Stored policies: names, check-and-set, versions that only rise, ends, and compiled ACLs."""

import base64

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from custody.base import codec
from custody.base.errors import BadRequest
from custody.base.store import Table
from custody.policy import defaults, service
from custody.policy.acl import ACL
from custody.policy.compiled import Compiled
from custody.policy.document import Document, parse
from custody.testing.rows import MemoryRows

NOW = 1_800_000_000 * 10**9
READ_A = 'path "a" { capabilities = ["read"] }'
DENY_A = 'path "a" { capabilities = ["deny"] }'


def refusal(rows: MemoryRows, name: str = "web", text: str = READ_A, cas: int | None = None) -> str:
    before = dict(rows.rows)
    with pytest.raises(BadRequest) as caught:
        service.write(rows, name, text, NOW, cas)
    assert rows.rows == before
    return str(caught.value)


def test_a_policy_is_read_as_it_was_written_under_its_lower_case_name() -> None:
    rows = MemoryRows()
    written = service.write(rows, " Web ", READ_A, NOW)
    assert service.read(rows, "WEB", NOW) == service.PolicyEntry(
        schema=1, name="web", text=READ_A, version=1, modified_ns=NOW
    )
    assert (written.name, written.version) == ("web", 1)
    assert service.read(rows, "other", NOW) is None


def test_base64_is_stored_decoded() -> None:
    rows = MemoryRows()
    entry = service.write(rows, "web", base64.b64encode(READ_A.encode()).decode(), NOW)
    assert entry.text == READ_A


def test_a_wrong_policy_is_refused_and_nothing_is_written() -> None:
    rows = MemoryRows()
    assert refusal(rows, text="") == "'policy' parameter not supplied or empty"
    assert refusal(rows, text='path "a" { capabilities = ["x"] }').startswith(
        'failed to parse policy: path "a": invalid capability "x"'
    )
    assert refusal(rows, name="") == "policy name must be provided in the URL"
    assert refusal(rows, name="é" * 201) == "policy name is longer than 400 bytes"
    assert refusal(rows, name="\ud800") == "policy name is not valid UTF-8"


@pytest.mark.parametrize("name", ["root", "ROOT", "response-wrapping"])
def test_fixed_policies_are_neither_written_nor_deleted(name: str) -> None:
    rows = MemoryRows()
    assert refusal(rows, name=name) == f'cannot update "{name.lower()}" policy'
    with pytest.raises(BadRequest) as caught:
        service.delete(rows, name)
    assert str(caught.value) == f'cannot delete "{name.lower()}" policy'
    assert service.read(rows, name, NOW) is not None


def test_root_reads_as_an_empty_text() -> None:
    root = service.read(MemoryRows(), "root", NOW)
    assert root is not None
    assert root.text == ""


def test_the_default_policy_is_seeded_may_be_edited_and_stays() -> None:
    rows = MemoryRows()
    service.seed(rows, NOW)
    service.write(rows, "default", READ_A, NOW)
    service.seed(rows, NOW)
    default = service.read(rows, "default", NOW)
    assert default is not None
    assert default.text == READ_A
    with pytest.raises(BadRequest) as caught:
        service.delete(rows, "default")
    assert str(caught.value) == "cannot delete default policy"


def test_check_and_set_compares_the_version() -> None:
    rows = MemoryRows()
    mismatch = "check-and-set parameter did not match the current version"
    assert refusal(rows, cas=1) == mismatch
    assert service.write(rows, "web", READ_A, NOW, cas=service.CREATE_ONLY).version == 1
    assert refusal(rows, cas=-1) == "check-and-set parameter set to -1 on existing entry"
    assert refusal(rows, cas=0) == mismatch
    assert refusal(rows, cas=2) == mismatch
    assert service.write(rows, "web", READ_A, NOW, cas=1).version == 2
    assert service.write(rows, "new", READ_A, NOW, cas=0).version == 1


def test_check_and_set_may_be_required() -> None:
    rows = MemoryRows()
    terms = service.Terms(cas_required=True)
    with pytest.raises(BadRequest, match="check-and-set parameter required for this call"):
        service.write(rows, "web", READ_A, NOW, terms=terms)
    service.write(rows, "web", READ_A, NOW, -1, terms)
    assert refusal(rows) == "check-and-set parameter required for this call"
    service.write(rows, "web", READ_A, NOW, 1)
    service.write(rows, "web", READ_A, NOW)


def test_a_policy_ends() -> None:
    rows = MemoryRows()
    terms = service.Terms(expiration_ns=NOW + 10)
    service.write(rows, "web", READ_A, NOW, terms=terms)
    assert service.read(rows, "web", NOW + 10) is not None
    assert service.read(rows, "web", NOW + 11) is None
    assert service.acl_for(rows, ["web"], NOW + 10).decide("read", "a").allowed
    assert not service.acl_for(rows, ["web"], NOW + 11).decide("read", "a").allowed
    with pytest.raises(BadRequest, match="expiration time has already elapsed"):
        service.write(rows, "web", READ_A, NOW + 10, terms=terms)


def test_a_deletion_of_nothing_is_no_error_and_a_version_is_never_used_again() -> None:
    rows = MemoryRows()
    assert not service.delete(rows, "web")
    service.write(rows, "web", READ_A, NOW)
    service.write(rows, "web", READ_A, NOW)
    assert service.delete(rows, "Web")
    assert service.read(rows, "web", NOW) is None
    assert service.names(rows) == ["root"]
    assert service.write(rows, "web", READ_A, NOW, cas=0).version == 3


def test_names_are_sorted_with_root_among_them_and_come_in_pages() -> None:
    rows = MemoryRows()
    for name in ("team/b", "a", "team/a", "z", "rooz", "é"):
        service.write(rows, name, READ_A, NOW)
    service.write(rows, "gone", READ_A, NOW)
    service.delete(rows, "gone")
    everything = ["a", "root", "rooz", "team/a", "team/b", "z", "é"]
    assert service.names(rows) == everything
    assert service.names(rows, prefix="team/") == ["team/a", "team/b"]
    assert service.names(rows, prefix="ro") == ["root", "rooz"]
    assert service.names(rows, prefix="team/", after="team/a") == ["team/b"]
    assert service.names(rows, prefix="team/", after="a") == ["team/a", "team/b"]
    assert service.names(rows, prefix="a", after="b") == []
    assert service.names(rows, prefix="a", after="a") == []
    for size in range(1, 9):
        pages: list[str] = []
        while page := service.names(rows, after=pages[-1] if pages else "", limit=size):
            assert len(page) <= size
            pages += page
        assert pages == everything


def test_an_acl_reads_every_policy_and_notes_the_missing_ones() -> None:
    rows = MemoryRows()
    service.write(rows, "web", READ_A, NOW)
    view = rows.snapshot()
    acl = service.acl_for(view, ["web", "gone", "web"], NOW)
    assert acl.capabilities("a") == ["read"]
    assert set(view.reads) == {b"\x12web", b"\x12gone"}
    assert view.reads[b"\x12gone"] is None


def test_an_acl_is_compiled_once_until_a_policy_changes() -> None:
    rows = MemoryRows()
    service.write(rows, "web", READ_A, NOW)
    service.write(rows, "ops", READ_A, NOW)
    first = service.acl_for(rows, ["web", "ops"], NOW)
    assert service.acl_for(rows, ["ops", "web"], NOW) is first
    service.write(rows, "ops", DENY_A, NOW)
    changed = service.acl_for(rows, ["web", "ops"], NOW)
    assert changed is not first
    assert changed.capabilities("a") == ["deny"]
    service.delete(rows, "ops")
    assert service.acl_for(rows, ["web", "ops"], NOW).capabilities("a") == ["read"]


def test_root_needs_no_row_and_wrapping_tokens_neither() -> None:
    rows = MemoryRows()
    assert service.acl_for(rows, ["default", "root"], NOW).root
    wrapping = service.acl_for(rows, ["response-wrapping"], NOW)
    assert wrapping.capabilities("cubbyhole/response") == ["create", "read"]
    assert wrapping.capabilities("sys/wrapping/unwrap") == ["update"]
    assert wrapping.capabilities("cubbyhole/other") == ["deny"]
    assert service.acl_for(rows, [], NOW).capabilities("a") == ["deny"]


def test_a_stored_text_that_is_no_policy_stops_the_decision() -> None:
    rows = MemoryRows()
    entry = service.PolicyEntry(name="web", text='path "a" { new_setting = 1 }', version=1)
    rows.put(Table.POLICY, b"web", codec.encode(entry))
    with pytest.raises(codec.CorruptRecord, match="policy web"):
        service.acl_for(rows, ["web"], NOW)


GRANTED = {
    "auth/token/lookup-self": ["read"],
    "auth/token/renew-self": ["update"],
    "auth/token/revoke-self": ["update"],
    "sys/capabilities-self": ["update"],
    "sys/internal/ui/resultant-acl": ["read"],
    "sys/leases/renew": ["update"],
    "sys/leases/lookup": ["update"],
    "cubbyhole/x/y": ["create", "delete", "list", "read", "update"],
    "sys/wrapping/wrap": ["update"],
    "sys/wrapping/lookup": ["update"],
    "sys/wrapping/unwrap": ["update"],
    "sys/tools/hash": ["update"],
    "sys/tools/hash/sha2-512": ["update"],
    "identity/oidc/provider/p/authorize": ["read", "update"],
    "identity/entity/id/x": ["deny"],
    "sys/policies/acl/x": ["deny"],
    "secret/data/x": ["deny"],
}


@pytest.mark.parametrize(("path", "capabilities"), GRANTED.items())
def test_the_default_policy_grants_what_vaults_does(path: str, capabilities: list[str]) -> None:
    default = parse(defaults.DEFAULT, defaults.DEFAULT_POLICY)
    assert ACL.compile([default], NOW).capabilities(path) == capabilities
    assert sum(each.templated for each in default.rules) == 2


def test_the_compiled_are_bounded_and_made_anew_when_a_rule_ends() -> None:
    compiled = Compiled(limit=3)
    documents = [parse("p", READ_A) for _ in range(5)]
    made = [compiled.acl([document], NOW) for document in documents]
    assert len(compiled) == 3
    assert compiled.acl([documents[4]], NOW) is made[4]
    assert compiled.acl([documents[0]], NOW) is not made[0]
    ending: list[Document] = [parse("p", READ_A, expires_ns=NOW)]
    first = compiled.acl(ending, NOW)
    assert compiled.acl(ending, NOW) is first
    assert compiled.acl(ending, NOW + 1).capabilities("a") == ["deny"]
    assert compiled.acl(ending, NOW + 1) is compiled.acl(ending, NOW + 2)


NAMES = st.sampled_from(["a", "b", "c", "default", "root"])


class PolicyModel(RuleBasedStateMachine):
    """The service against a dict; a version never falls and is never used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = MemoryRows()
        self.model: dict[str, tuple[str, int]] = {}
        self.highest: dict[str, int] = {}

    @rule(name=NAMES, text=st.sampled_from([READ_A, DENY_A]), cas=st.none() | st.integers(-1, 3))
    def write(self, name: str, text: str, cas: int | None) -> None:
        known = self.model.get(name)
        version = known[1] if known else 0
        fits = cas is None or (known is None if cas == -1 else cas == version)
        if name == "root" or not fits:
            with pytest.raises(BadRequest), self.rows.transaction() as txn:
                service.write(txn, name, text, NOW, cas)
            return
        with self.rows.transaction() as txn:
            entry = service.write(txn, name, text, NOW, cas)
        assert entry.version == self.highest.get(name, 0) + 1
        self.highest[name] = entry.version
        self.model[name] = (text, entry.version)

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        if name in {"root", "default"}:
            with pytest.raises(BadRequest):
                service.delete(self.rows, name)
            return
        with self.rows.transaction() as txn:
            assert service.delete(txn, name) is (name in self.model)
        self.model.pop(name, None)

    @invariant()
    def names_and_texts_agree(self) -> None:
        assert service.names(self.rows) == sorted([*self.model, "root"])
        for name, (text, version) in self.model.items():
            entry = service.read(self.rows, name, NOW)
            assert entry is not None
            assert (entry.text, entry.version) == (text, version)

    @invariant()
    def a_deny_is_in_the_acl_at_once(self) -> None:
        texts = [text for text, _ in self.model.values()]
        expected = ["deny"] if DENY_A in texts or not texts else ["read"]
        acl = service.acl_for(self.rows.snapshot(), ["a", "b", "c", "default"], NOW)
        assert acl.capabilities("a") == expected


TestPolicyModel = PolicyModel.TestCase
TestPolicyModel.settings = settings(max_examples=60, stateful_step_count=20)
