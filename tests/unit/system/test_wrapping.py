"""Response wrapping: put away with the answer, taken out once, told apart once it was used."""

import asyncio
import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA512
from tests.unit.core.stage import SECRET, Stage

from custody.base.clock import NANOSECOND
from custody.base.store import Table
from custody.core import wrap
from custody.core.jobs.expiry import Expiry
from custody.core.jobs.revocation import Revocation
from custody.testing.server import HandClock, MemoryServer, Response
from custody.token.rows import OPENED_NS

MINUTE = ("X-Vault-Wrap-TTL", "60")
INVALID = "wrapping token is not valid or does not exist"
NOTE = "probe/note/a"


async def put_away(server: MemoryServer, path: str = NOTE, **more: Any) -> Any:
    """The wrap_info of a wrapped answer to a read, or to what `more` says."""
    asked = {"method": "GET", "token": server.root_token, "headers": (MINUTE,), **more}
    answer = await server.expect(200, path=path, **asked)
    body = answer.json
    assert (body["request_id"], body["data"], body["auth"]) == ("", None, None)
    assert body["warnings"] is None
    return body["wrap_info"]


async def unwrap(server: MemoryServer, token: str, by: str = "") -> Response:
    """Unwrap with the wrapping token itself, or with another token."""
    body = {"token": token} if by else {}
    return await server.call("POST", "sys/wrapping/unwrap", token=by or token, body=body)


def refused(answer: Response) -> bool:
    return (answer.status, answer.errors) == (400, [INVALID])


async def test_an_answer_is_put_away_and_taken_out_once() -> None:
    async with Stage() as stage:
        await stage.note("a")
        info = await put_away(stage)
        assert sorted(info) == ["accessor", "creation_path", "creation_time", "token", "ttl"]
        assert (info["ttl"], info["creation_path"]) == (60, NOTE)
        opened = await unwrap(stage, info["token"])
        assert (opened.status, opened.data) == (200, {"text": SECRET})
        assert opened.json["request_id"]
        assert refused(await unwrap(stage, info["token"]))


async def test_whoever_has_a_token_may_take_out_with_it_what_another_token_holds() -> None:
    async with Stage() as stage:
        await stage.note("a")
        info = await put_away(stage)
        other = await stage.token()
        opened = await unwrap(stage, info["token"], by=other)
        assert opened.data == {"text": SECRET}
        assert refused(await unwrap(stage, info["token"], by=other))
        both = await put_away(stage)
        opened = await unwrap(stage, both["token"], by=both["token"])
        assert opened.data == {"text": SECRET}


@pytest.mark.parametrize("by", ["", "another"])
async def test_of_many_at_once_one_gets_the_content(by: str) -> None:
    async with Stage() as stage:
        await stage.note("a")
        for _ in range(5):
            info = await put_away(stage)
            other = await stage.token() if by else ""
            tries = (unwrap(stage, info["token"], by=other) for _ in range(12))
            answers = await asyncio.gather(*tries)
            assert [answer.status for answer in answers].count(200) == 1
            assert all(refused(answer) for answer in answers if answer.status != 200)


async def test_a_token_is_put_away_whole() -> None:
    async with Stage() as stage:
        body = {"policies": ["default"], "meta": {"k": "v"}, "nonsense": 1}
        info = await put_away(stage, "auth/token/create", method="POST", body=body)
        answer = (await unwrap(stage, info["token"])).json
        auth = answer["auth"]
        assert auth["accessor"] == info["wrapped_accessor"]
        assert (auth["policies"], auth["metadata"]) == (["default"], {"k": "v"})
        assert answer["warnings"] == ["Endpoint ignored these unrecognized parameters: [nonsense]"]
        await stage.expect(200, "GET", "auth/token/lookup-self", token=auth["client_token"])


async def test_what_a_secret_asks_for_and_a_status_of_its_own_come_out_again() -> None:
    async with MemoryServer() as server:
        await server.mount("plain", "kv-v1")
        root = server.root_token
        await server.expect(204, "POST", "plain/a", token=root, body={"ttl": "90s", "n": 2**60})
        info = await put_away(server, "plain/a")
        opened = (await unwrap(server, info["token"])).json
        assert (opened["lease_duration"], opened["data"]["n"]) == (90, 2**60)
        await server.expect(200, "POST", "secret/data/a", token=root, body={"data": {"a": 1}})
        await server.expect(204, "DELETE", "secret/data/a", token=root)
        info = await put_away(server, "secret/data/a")
        opened = await unwrap(server, info["token"])
        assert (opened.status, opened.data["data"]) == (404, None)


async def test_what_has_nothing_to_say_or_fails_is_not_put_away() -> None:
    async with Stage() as stage:
        for method, path, status in [
            ("POST", NOTE, 204),
            ("GET", "secret/data/none", 404),
            ("GET", "nowhere/x", 404),
            ("GET", "sys/health", 200),
            ("GET", f"{NOTE}?help=1", 200),
        ]:
            answer = await stage.call(
                method, path, token=stage.root_token, headers=(MINUTE,), body={}
            )
            assert answer.status == status, path
            assert not answer.body or not answer.json.get("wrap_info"), path
        assert stage.rows(Table.CUBBYHOLE) == []


@pytest.mark.parametrize(
    ("ttl", "text"),
    [
        ("-5", "requested wrap ttl cannot be negative"),
        ("xx", 'time: invalid duration "xx"'),
    ],
)
async def test_a_ttl_that_is_none_is_named(ttl: str, text: str) -> None:
    async with Stage() as stage:
        headers = (("X-Vault-Wrap-TTL", ttl),)
        answer = await stage.call("GET", NOTE, token=stage.root_token, headers=headers)
        assert answer.status == 400
        assert answer.errors == [f"error parsing X-Vault-Wrap-TTL header: {text}"]


async def test_any_body_can_be_put_away_but_only_put_away() -> None:
    async with Stage() as stage:
        body = {"a": 1, "b": {"c": None}}
        path = "sys/wrapping/wrap"
        info = await put_away(stage, path, method="POST", body=body)
        assert info["creation_path"] == path
        assert (await unwrap(stage, info["token"])).data == body
        plain = await stage.call("POST", path, token=stage.root_token, body=body)
        assert plain.status == 400
        assert plain.errors == ["endpoint requires response wrapping to be used"]


async def test_a_look_uses_nothing_up_and_needs_no_other_token() -> None:
    async with Stage() as stage:
        info = await put_away(stage)
        path = "sys/wrapping/lookup"
        expected = {
            "creation_path": NOTE,
            "creation_time": info["creation_time"],
            "creation_ttl": 60,
        }
        for token, body in [
            ("", {"token": info["token"]}),
            (info["token"], {}),
            (stage.root_token, {"token": info["token"]}),
        ]:
            answer = await stage.expect(200, "POST", path, token=token, body=body)
            assert answer.data == expected
        assert (await stage.expect(200, "GET", path, token=info["token"])).data == expected
        assert (await unwrap(stage, info["token"])).status == 200
        assert refused(await stage.call("POST", path, body={"token": info["token"]}))
        for token in (stage.root_token, "made-up"):
            assert refused(await stage.call("POST", path, body={"token": token}))


async def test_moved_to_another_token_it_keeps_path_ttl_and_content() -> None:
    async with Stage() as stage:
        body = {"policies": ["default"]}
        info = await put_away(stage, "auth/token/create", method="POST", body=body)
        stage.clock.advance(30)
        again = await stage.expect(
            200,
            "POST",
            "sys/wrapping/rewrap",
            token=stage.root_token,
            body={"token": info["token"]},
        )
        moved = again.json["wrap_info"]
        assert moved["token"] != info["token"]
        for name in ("ttl", "creation_path", "wrapped_accessor"):
            assert moved[name] == info[name]
        assert moved["creation_time"] > info["creation_time"]
        assert refused(await unwrap(stage, info["token"]))
        stage.clock.advance(40)  # past the end of the first
        assert (await unwrap(stage, moved["token"])).json["auth"]["policies"] == ["default"]


async def test_a_stray_request_uses_it_up() -> None:
    async with Stage() as stage:
        for method, path, status in [
            ("GET", "auth/token/lookup-self", 403),
            ("POST", "sys/wrapping/rewrap", 403),
            ("GET", "cubbyhole/wrapinfo", 403),
        ]:
            info = await put_away(stage)
            answer = await stage.call(method, path, token=info["token"], body={})
            assert answer.status == status
            assert refused(await unwrap(stage, info["token"]))


async def test_the_old_way_to_take_it_out_still_works() -> None:
    async with Stage() as stage:
        await stage.note("a", "text")
        info = await put_away(stage)
        answer = await stage.expect(200, "GET", "cubbyhole/response", token=info["token"])
        [warning] = answer.warnings
        assert "'cubbyhole/response' is deprecated" in warning
        assert '"data":{"text":"text"}' in answer.data["response"]
        assert (await stage.call("GET", "cubbyhole/response", token=info["token"])).status == 403
        own = await stage.token()
        await stage.expect(204, "POST", "cubbyhole/response", token=own, body={"a": "1"})
        assert not (await stage.expect(200, "GET", "cubbyhole/response", token=own)).warnings


async def test_who_shows_a_used_token_again_is_told_and_nobody_else() -> None:
    async with Stage() as stage:
        root = stage.root_token
        used, waiting = await put_away(stage), await put_away(stage)
        stage.clock.advance(5)
        await unwrap(stage, used["token"])
        stage.start()
        answers = [
            await unwrap(stage, used["token"]),
            await unwrap(stage, used["token"], by=root),
            await stage.call("POST", "sys/wrapping/lookup", body={"token": used["token"]}),
        ]
        assert all(refused(answer) for answer in answers)
        [told] = {answer.json["wrapping_token"]["used_time"] for answer in answers}
        assert told > used["creation_time"]
        records = [one for one in stage.recorder.records if one["type"] == "response"]
        assert [one["error"] for one in records] == [f"{INVALID}; it was used at {told}"] * 3
        await stage.expect(
            204,
            "POST",
            "auth/token/revoke-accessor",
            token=root,
            body={"accessor": waiting["accessor"]},
        )
        for text in (waiting["token"], "cus.made-up", root, "x" * 600):
            answer = await unwrap(stage, text, by=root)
            assert refused(answer)
            assert "wrapping_token" not in answer.json


async def test_without_a_right_to_it_nothing_is_taken_out() -> None:
    async with Stage() as stage:
        info = await put_away(stage)
        powerless = await stage.token('path "none" { capabilities = ["read"] }')
        limited = await stage.token(
            'path "none" { capabilities = ["read"] }', no_default_policy=True
        )
        assert (await unwrap(stage, info["token"], by=limited)).status == 403
        body = {"token": info["token"]}
        bare = await stage.call("POST", "sys/wrapping/unwrap", body=body)
        assert (bare.status, bare.errors) == (403, ["permission denied"])
        nothing = await stage.call("POST", "sys/wrapping/unwrap", body={})
        assert nothing.status == 403
        assert nothing.errors == ["error validating wrapping token: token is empty"]
        assert (await unwrap(stage, info["token"], by=powerless)).status == 200


@pytest.mark.parametrize("path", ["unwrap", "rewrap", "lookup"])
@pytest.mark.parametrize(
    ("token", "text"),
    [("", "empty token in request body"), (5, "could not decode token in request body")],
)
async def test_what_is_shown_as_a_wrapping_token_and_cannot_be_one_is_refused_as_such(
    path: str, token: object, text: str
) -> None:
    async with Stage() as stage:
        for caller in (stage.root_token, ""):
            answer = await stage.call(
                "POST", f"sys/wrapping/{path}", token=caller, body={"token": token}
            )
            assert answer.status == 403
            assert answer.errors == [f"error validating wrapping token: {text}"]


async def test_policies_bound_how_long_an_answer_may_wait() -> None:
    async with Stage() as stage:
        token = await stage.token(
            f'path "{NOTE}" {{ capabilities = ["read"] '
            'min_wrapping_ttl = "30s" max_wrapping_ttl = "90s" }'
        )
        for ttl, status in [("", 403), ("29", 403), ("30", 200), ("90", 200), ("91", 403)]:
            headers = (("X-Vault-Wrap-TTL", ttl),) if ttl else ()
            answer = await stage.call("GET", NOTE, token=token, headers=headers)
            assert answer.status == status, ttl


async def test_a_limited_token_pays_for_a_wrapped_answer_too() -> None:
    async with Stage() as stage:
        await stage.note("a")
        policy = f'path "{NOTE}" {{ capabilities = ["read"] }}'
        token = await stage.token(policy, num_uses=1)
        info = await put_away(stage, token=token)
        assert (await stage.call("GET", NOTE, token=token)).status == 403
        assert (await unwrap(stage, info["token"])).data == {"text": SECRET}


async def test_records_name_where_it_was_put_and_nothing_of_it() -> None:
    async with Stage() as stage:
        await stage.note("a")
        stage.start()
        info = await put_away(stage)
        [record] = stage.records("response", NOTE)
        shown = record["response"]["wrap_info"]
        assert (shown["ttl"], shown["creation_path"]) == (60, NOTE)
        assert shown["token"].startswith("hmac-sha256:")
        assert "data" not in record["response"]
        assert record["request"]["wrap_ttl"] == 60
        assert record["custody"]["event_id"] == record["request"]["id"]
        assert stage.rows(Table.OUTBOX) == []
        opened = await unwrap(stage, info["token"])
        lines = b"".join(stage.recorder.lines)
        for secret in (SECRET, info["token"], info["accessor"]):
            assert secret.encode() not in lines
        assert SECRET in opened.body.decode()


async def test_what_cannot_be_recorded_is_neither_put_away_nor_taken_out() -> None:
    async with Stage() as stage:
        await stage.note("a")
        tokens = stage.rows(Table.TOKEN)
        stage.recorder.refuses = lambda record: record["type"] == "response"
        for method, path in (("GET", NOTE), ("POST", "auth/token/create")):
            answer = await stage.call(
                method, path, token=stage.root_token, headers=(MINUTE,), body={}
            )
            assert (answer.status, answer.errors) == (500, ["committed but not recorded"])
        assert stage.rows(Table.TOKEN) == tokens
        stage.recorder.refuses = lambda _record: False
        info = await put_away(stage, "auth/token/create", method="POST", body={})
        stage.recorder.refuses = lambda record: record["type"] == "response"
        answer = await unwrap(stage, info["token"])
        assert (answer.status, answer.errors) == (500, ["committed but not recorded"])
        assert stage.rows(Table.TOKEN) == tokens  # what it held went to nobody


async def test_an_action_that_is_done_is_wrapped_after_it() -> None:
    async with Stage() as stage:
        stage.start()
        path = "sys/policies/acl/late"
        body = {"policy": 'path "x" { capabilities = ["read"] }', "nonsense": 1}
        info = await put_away(stage, path, method="POST", body={**body, "ttl": "1h"})
        assert info["creation_path"] == path
        assert (await unwrap(stage, info["token"])).status == 200
        assert len(stage.records("response", path)) == 1
        assert stage.rows(Table.OUTBOX) == []


async def test_too_large_an_answer_is_refused_before_anything_happened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wrap, "MAX_WRAPPED", 500)
    async with Stage() as stage:
        await stage.note("a", "x" * 500)
        answer = await stage.call("GET", NOTE, token=stage.root_token, headers=(MINUTE,))
        assert answer.status == 400
        assert answer.errors == ["the response is over 500 bytes: too large to be wrapped"]
        assert stage.rows(Table.CUBBYHOLE) == []


async def test_nothing_is_left_of_those_that_were_never_used_nor_for_ever_of_the_used() -> None:
    async with Stage() as stage:
        tokens = stage.rows(Table.TOKEN)
        await put_away(stage)
        used = await put_away(stage)
        await unwrap(stage, used["token"])
        expiry = Expiry(stage.barrier, stage.clock, lambda: 0)
        revocation = Revocation(stage.barrier, stage.clock, lambda: 0)
        stage.clock.advance(61)
        await run_out(expiry, revocation)
        assert stage.rows(Table.TOKEN) == tokens
        assert stage.rows(Table.CUBBYHOLE) == []
        assert len(stage.rows(Table.OPENED)) == 1
        stage.clock.advance(OPENED_NS / NANOSECOND)
        await run_out(expiry, revocation)
        for table in (Table.OPENED, Table.EXPIRY, Table.REVOCATION):
            assert stage.rows(table) == []
        assert isinstance(stage.clock, HandClock)


async def run_out(*jobs: Expiry | Revocation) -> None:
    for job in jobs:
        while await job.run() == 0:
            pass


JWT = (MINUTE, ("X-Vault-Wrap-Format", "jwt"))


async def test_a_wrapping_token_may_have_the_form_of_a_jwt() -> None:
    async with Stage() as stage:
        await stage.note("a")
        info = await put_away(stage, headers=JWT)
        header, middle, _ = info["token"].split(".")
        assert decoded(header) == {"alg": "ES512", "typ": "JWT"}
        claims = decoded(middle)
        assert claims["exp"] == claims["iat"] + 60
        assert claims["nbf"] < claims["iat"]
        assert claims["type"] == "wrapping"
        assert claims["jti"].startswith("cus.")
        path, body = "sys/wrapping/lookup", {"token": info["token"]}
        assert (await stage.expect(200, "POST", path, body=body)).data["creation_path"] == NOTE
        opened = await unwrap(stage, info["token"])
        assert opened.data == {"text": SECRET}
        for text in (info["token"], claims["jti"]):
            again = await unwrap(stage, text)
            assert refused(again)
            assert again.json["wrapping_token"]["used_time"]


async def test_a_jwt_names_the_accessor_of_a_token_in_it_and_is_opened_by_others() -> None:
    async with Stage() as stage:
        made = {"method": "POST", "body": {"policies": ["default"]}, "headers": JWT}
        info = await put_away(stage, "auth/token/create", **made)
        claims = decoded(info["token"].split(".")[1])
        assert claims["accessor"] == info["wrapped_accessor"]
        opened = await unwrap(stage, info["token"], by=stage.root_token)
        assert opened.json["auth"]["accessor"] == info["wrapped_accessor"]
        assert refused(await unwrap(stage, info["token"], by=stage.root_token))


async def test_a_forged_jwt_opens_nothing() -> None:
    async with Stage() as stage, MemoryServer() as other:
        info = await put_away(stage, headers=JWT)
        header, middle, signature = info["token"].split(".")
        real = decoded(middle)["jti"]
        forged = json.dumps({"jti": real, "type": "wrapping"}).encode()
        middle = base64.urlsafe_b64encode(forged).rstrip(b"=").decode()
        for text in (f"{header}.{middle}.{signature}", f"{header}.{middle}.", "eyJ.x.y"):
            assert refused(await unwrap(stage, text))
        assert refused(await unwrap(other, info["token"]))
        assert (await unwrap(stage, info["token"])).status == 200


async def test_the_key_of_jwts_is_told_to_anyone() -> None:
    async with Stage() as stage:
        info = await put_away(stage, headers=JWT)
        key = (await stage.expect(200, "GET", "sys/wrapping/pubkey")).data
        assert key["jwt_curve"] == "p521"
        point = int(key["jwt_x"]), int(key["jwt_y"])
        public = ec.EllipticCurvePublicNumbers(*point, ec.SECP521R1()).public_key()
        signed, _, last = info["token"].rpartition(".")
        raw = base64.urlsafe_b64decode(last + "=" * (-len(last) % 4))
        r, s = int.from_bytes(raw[:66], "big"), int.from_bytes(raw[66:], "big")
        public.verify(utils.encode_dss_signature(r, s), signed.encode(), ec.ECDSA(SHA512()))


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
