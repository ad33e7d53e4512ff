from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from custody.base.errors import BadRequest, CustodyError, NotFound, PermissionDenied
from custody.base.ids import SystemSource
from custody.base.secret import Secret
from custody.plugin.context import Auth, Caller, Mount
from custody.plugin.request import Reply, Request
from custody.plugin.route import Access, Handler, Kind, Op
from custody.system.token import ENGINE
from custody.testing.rows import MemoryRows
from custody.testing.tokens import TokenBench, accessor_hash, token_hash
from custody.token import format as formats
from custody.token import service
from custody.token.asked import Handle, Spec, root_spec

ROUTES = {route.pattern: route for route in ENGINE.routes}
MOUNT = Mount(b"00000000", "auth/token/", "token", "acc", {}, 2_764_800, 2_764_800)


class SystemView:
    """What core gives to handlers of a built-in mount."""

    def __init__(self, rows: MemoryRows, presented: str) -> None:
        self.get, self.memo, self.scan, self.keys = rows.get, rows.memo, rows.scan, rows.keys
        self.put, self.delete = rows.put, rows.delete
        self.presented = Secret(presented)
        self.token_hash, self.accessor_hash = token_hash, accessor_hash
        self.rows = rows

    def find_token(self, text: str, now_ns: int) -> tuple[bytes, Any]:
        return token_hash(text), service.find(self.rows, token_hash(text), now_ns)

    def policy_exists(self, name: str) -> bool:
        return name in {"default", "root", "web"}


@dataclass
class Answer:
    """What a caller would see."""

    data: Mapping[str, Any]
    auth: Auth | None
    warnings: list[str]
    reply: Reply | None = field(default=None)


class Desk:
    """Calls the mount's routes as their callers would."""

    def __init__(self) -> None:
        self.bench = TokenBench()
        self.root = self.give(root_spec())
        self.web = self.give(Spec(policies=("default", "web"), path="auth/token/create", ttl=600))

    def give(self, spec: Spec) -> str:
        """A new orphan; answers its text."""
        text, accessor = formats.new_id(SystemSource()), formats.new_accessor(SystemSource())
        handle = Handle(token_hash(text), accessor, accessor_hash(accessor))
        with self.bench.tables.transaction() as txn:
            service.create(txn, spec, handle, None, self.bench.now_ns)
        return text

    def call(
        self,
        pattern: str,
        caller: str,
        raw: Mapping[str, Any] | None = None,
        op: Op = Op.WRITE,
        *,
        sudo: bool = False,
    ) -> Answer:
        """One request with a token that is let in."""
        action = ROUTES[pattern].actions[op]
        request = Request(
            id="r",
            path=pattern,
            mount=MOUNT,
            params={},
            now_ns=self.bench.now_ns,
            source=SystemSource(),
            body=action.body.read(raw or {})[0] if action.body else None,
            caller=self._caller(caller, sudo=sudo),
        )
        run = cast("Handler", action.run)
        place = self.bench.tables.snapshot
        with place() if action.kind is Kind.READS else self.bench.tables.transaction() as rows:
            reply = run(request, SystemView(rows, caller))
        made = reply or Reply()
        return Answer(made.data or {}, made.auth, request.warnings, reply)

    def create(self, caller: str, *, sudo: bool = False, **raw: Any) -> Auth:
        """A token made through the mount."""
        auth = self.call("create", caller, raw, sudo=sudo).auth
        assert auth is not None
        return auth

    def refusal(self, pattern: str, caller: str, raw: Mapping[str, Any]) -> CustodyError:
        """The error that the request ends in."""
        with pytest.raises(CustodyError) as caught:
            self.call(pattern, caller, raw)
        return caught.value

    def good(self, token: str) -> bool:
        """Whether the token would be let in."""
        return self.bench.good(token)

    def _caller(self, token: str, *, sudo: bool) -> Caller:
        with self.bench.tables.snapshot() as rows:
            entry = service.authenticate(rows, token_hash(token), self.bench.now_ns)
        return Caller(
            id=token_hash(token),
            accessor=entry.accessor,
            policies=entry.policies,
            display_name=entry.display_name,
            entity_id=entry.entity_id,
            root=entry.root,
            sudo=sudo or entry.root,
            num_uses=entry.num_uses,
            expires_ns=entry.expires_ns,
        )


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_child_hangs_below_its_maker(desk: Desk) -> None:
    auth = desk.create(desk.web, meta={"team": "a"}, display_name="ci", ttl="90s")
    assert formats.well_formed(auth.client_token)
    assert auth.policies == auth.token_policies == ("default", "web")
    assert (auth.metadata, auth.lease_duration, auth.renewable) == ({"team": "a"}, 90, True)
    assert auth.orphan is False
    assert desk.good(auth.client_token)
    desk.call("revoke-self", desk.web)
    assert not desk.good(auth.client_token)


def test_what_only_the_answer_delivers_is_named_in_the_reply(desk: Desk) -> None:
    answer = desk.call("create", desk.web)
    assert answer.auth is not None
    assert answer.reply is not None
    assert answer.reply.created == (token_hash(answer.auth.client_token),)


def test_create_orphan_needs_no_sudo_and_outlives_its_maker(desk: Desk) -> None:
    auth = desk.call("create-orphan", desk.web).auth
    assert auth is not None
    assert auth.orphan
    desk.call("revoke-self", desk.web)
    assert desk.good(auth.client_token)
    data = desk.call("lookup", desk.root, {"token": auth.client_token}).data
    assert data["path"] == "auth/token/create-orphan"


def test_unknown_policies_and_capped_ttls_are_warned_about(desk: Desk) -> None:
    answer = desk.call("create", desk.root, {"policies": ["nope"], "ttl": "9000h"})
    assert answer.warnings == [
        'TTL of "9000h" exceeded the effective max_ttl of "768h"; TTL value is capped accordingly',
        'Policy "nope" does not exist',
    ]


def test_a_comma_does_not_separate_policies(desk: Desk) -> None:
    assert desk.create(desk.root, policies="a,b").policies == ("a,b", "default")


@pytest.mark.parametrize("policies", [5, {"a": 1}, ["a", 5], True])
def test_policies_of_the_wrong_type_are_a_mistake_of_the_client(
    desk: Desk, policies: object
) -> None:
    assert isinstance(desk.refusal("create", desk.root, {"policies": policies}), BadRequest)


def test_sudo_on_create_may_give_foreign_policies(desk: Desk) -> None:
    assert desk.create(desk.web, sudo=True, policies=["other"]).policies == ("default", "other")
    refused = desk.refusal("create", desk.web, {"policies": ["other"]})
    assert refused.listed == ("child policies must be subset of parent",)


def test_a_chosen_id_works_and_is_given_once(desk: Desk) -> None:
    assert desk.create(desk.root, id="mine").client_token == "mine"
    assert desk.good("mine")
    refused = desk.refusal("create", desk.root, {"id": "mine"})
    assert refused.listed == ("cannot create a token with a duplicate ID",)


def test_the_old_name_of_ttl_still_works(desk: Desk) -> None:
    assert desk.create(desk.web, lease="30s").lease_duration == 30


def test_a_look_up_without_a_token_shows_the_caller(desk: Desk) -> None:
    for pattern, op in (
        ("lookup", Op.READ),
        ("lookup", Op.WRITE),
        ("lookup-self", Op.READ),
        ("lookup-self", Op.WRITE),
    ):
        data = desk.call(pattern, desk.web, op=op).data
        assert data["id"] == desk.web
        assert data["policies"] == ["default", "web"]


@pytest.mark.parametrize("token", ["cus.malformed", "nobody"])
def test_an_unknown_token_is_a_bad_token(desk: Desk, token: str) -> None:
    error = desk.refusal("lookup", desk.root, {"token": token})
    assert isinstance(error, PermissionDenied)
    assert error.listed == ("bad token",)


def test_the_last_allowed_look_up_shows_minus_one(desk: Desk) -> None:
    auth = desk.create(desk.root, policies=["web"], num_uses=1)
    caller = desk._caller(auth.client_token, sudo=False)  # noqa: SLF001 as the gate does before use
    with desk.bench.tables.transaction() as txn:
        service.use(txn, caller.id, desk.bench.now_ns)
    data = desk.call("lookup", desk.root, {"token": auth.client_token}).data
    assert data["num_uses"] == -1


def test_a_look_up_by_accessor_does_not_show_the_token(desk: Desk) -> None:
    auth = desk.create(desk.web)
    data = desk.call("lookup-accessor", desk.root, {"accessor": auth.accessor}).data
    assert data["id"] == ""
    assert data["accessor"] == auth.accessor


@pytest.mark.parametrize("pattern", ["lookup-accessor", "renew-accessor"])
def test_an_unknown_accessor_is_answered_in_the_known_spelling(desk: Desk, pattern: str) -> None:
    error = desk.refusal(pattern, desk.root, {"accessor": "nope"})
    assert isinstance(error, BadRequest)
    assert error.listed == ("1 error occurred:\n\t* invalid accessor\n\n",)
    error = desk.refusal(pattern, desk.root, {})
    assert error.listed == ("1 error occurred:\n\t* missing accessor\n\n",)


def test_renewal_shows_the_token_only_to_who_knows_it(desk: Desk) -> None:
    made = desk.create(desk.web, ttl="60s")
    own = desk.call("renew-self", made.client_token, {"increment": "5m"}).auth
    by_text = desk.call("renew", desk.root, {"token": made.client_token}).auth
    by_accessor = desk.call("renew-accessor", desk.root, {"accessor": made.accessor}).auth
    assert own is not None
    assert by_text is not None
    assert by_accessor is not None
    assert (own.client_token, own.lease_duration) == (made.client_token, 300)
    assert by_text.client_token == made.client_token
    assert (by_accessor.client_token, by_accessor.accessor) == ("", made.accessor)


@pytest.mark.parametrize(
    ("pattern", "raw", "text"),
    [
        ("renew", {}, "missing token ID"),
        ("renew", {"token": "nobody"}, "token not found"),
        ("renew-self", {}, "lease is not renewable"),
        ("revoke", {}, "missing token ID"),
        ("revoke-orphan", {"token": "nobody"}, "token to revoke not found"),
    ],
)
def test_mistakes_have_their_known_texts(
    desk: Desk, pattern: str, raw: dict[str, str], text: str
) -> None:
    error = desk.refusal(pattern, desk.root, raw)
    assert isinstance(error, BadRequest)
    assert error.listed == (text,)


def test_revoking_an_unknown_token_has_nothing_to_say(desk: Desk) -> None:
    answer = desk.call("revoke", desk.root, {"token": "nobody"})
    assert answer.reply is None
    assert answer.warnings == []


def test_revoking_an_unknown_accessor_is_a_warning(desk: Desk) -> None:
    answer = desk.call("revoke-accessor", desk.root, {"accessor": "nope"})
    assert answer.warnings == ["No token found with this accessor"]
    error = desk.refusal("revoke-accessor", desk.root, {})
    assert error.listed == ("1 error occurred:\n\t* missing accessor\n\n",)


def test_a_token_is_revoked_by_text_and_by_accessor(desk: Desk) -> None:
    first, second = desk.create(desk.web), desk.create(desk.web)
    desk.call("revoke", desk.root, {"token": first.client_token})
    desk.call("revoke-accessor", desk.root, {"accessor": second.accessor})
    assert not desk.good(first.client_token)
    assert not desk.good(second.client_token)
    assert desk.good(desk.web)


def test_revoke_orphan_spares_the_children(desk: Desk) -> None:
    child = desk.create(desk.web)
    desk.call("revoke-orphan", desk.root, {"token": desk.web})
    assert not desk.good(desk.web)
    assert desk.good(child.client_token)


def test_accessors_are_listed_in_pages(desk: Desk) -> None:
    made = {desk.create(desk.web).accessor for _ in range(7)}
    everything = desk.call("accessors", desk.root, op=Op.LIST).data["keys"]
    assert len(everything) == 9
    assert made < set(everything)
    seen: list[str] = []
    while len(seen) < 9:
        after = seen[-1] if seen else ""
        page = {"after": after, "limit": "2"}
        seen += desk.call("accessors", desk.root, page, Op.LIST).data["keys"]
    assert seen == everything
    with pytest.raises(NotFound):
        desk.call("accessors", desk.root, {"after": seen[-1]}, Op.LIST)


def test_the_table_says_who_may_call_and_what_must_work_on_a_full_disk() -> None:
    sudo = {pattern for pattern, route in ROUTES.items() if route.access is Access.SUDO}
    assert sudo == {"accessors", "revoke-orphan"}
    reading = {"lookup", "lookup-self", "lookup-accessor", "accessors", "tidy"}
    for pattern, route in ROUTES.items():
        for op, action in route.actions.items():
            assert action.essential == pattern.startswith("revoke")
            reads = pattern in reading or op in {Op.LIST, Op.READ}
            assert (action.kind is Kind.READS) == reads
