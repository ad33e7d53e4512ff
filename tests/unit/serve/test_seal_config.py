"""The seal blocks of a configuration: what they say, what is refused, and who reads their files."""

import asyncio
import base64
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from custody.base.ids import SystemSource
from custody.seals.plan import Named, Standing
from custody.seals.seal import CannotUnseal, SealUnavailable
from custody.seals.wrapping import Purpose
from custody.serve import handoff, reload
from custody.serve.config import BadConfiguration, load
from custody.serve.seal_config import open_active, plan_of
from custody.serve.settings import Listener, SealStanza, Settings
from custody.testing.transit import TransitServer

KEY = "ab" * 32
BASE = """
storage "lmdb" { path = "/data" }
listener "tcp" { address = "127.0.0.1:8200"
  tls_disable = true }
"""
STATIC = f'seal "static" {{ current_key_id = "a"\n current_key = "{KEY}" }}\n'


def seals(
    directory: Path, text: str, environment: Mapping[str, str] | None = None
) -> list[SealStanza]:
    """The seals of a configuration."""
    path = directory / "server.hcl"
    path.write_text(BASE + text)
    return load([f"-config={path}"], environment or {})[0].seals


def test_without_a_seal_it_is_shamirs(tmp_path: Path) -> None:
    assert seals(tmp_path, "") == []
    assert seals(tmp_path, 'seal "shamir" {}') == []
    assert plan_of([]).active == Named("shamir")
    assert open_active([], SystemSource()) is None


@pytest.mark.parametrize(
    "text", [KEY, KEY.upper(), base64.b64encode(bytes.fromhex(KEY)).decode(), "env://THE_KEY"]
)
def test_a_static_key_is_hex_or_base64_or_in_a_variable(tmp_path: Path, text: str) -> None:
    block = f'seal "static" {{ current_key_id = "a"\n current_key = "{text}" }}'
    found = seals(tmp_path, block, {"THE_KEY": KEY})
    seal, known = (
        open_active(found, SystemSource()),
        open_active(seals(tmp_path, STATIC), SystemSource()),
    )
    assert seal is not None
    assert known is not None
    blob = asyncio.run(seal.wrap(b"k" * 32, Purpose.ROOT_KEY))
    assert asyncio.run(known.unwrap(blob, Purpose.ROOT_KEY)) == b"k" * 32


@pytest.mark.parametrize("content", [bytes.fromhex(KEY), f"{KEY}\n".encode()])
def test_a_key_in_a_file_is_read_when_it_is_needed_and_not_before(
    tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "key"
    block = f'seal "static" {{ current_key_id = "a"\n current_key = "file://{file}" }}'
    found = seals(tmp_path, block)
    assert found[0].options["current_key"] == f"file://{file}"
    seal = open_active(found, SystemSource())
    assert seal is not None
    with pytest.raises(SealUnavailable, match="No such file"):
        asyncio.run(seal.wrap(b"k" * 32, Purpose.ROOT_KEY))
    file.write_bytes(content)
    asyncio.run(seal.wrap(b"k" * 32, Purpose.ROOT_KEY))


def test_a_key_that_did_not_open_is_read_anew_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    block = f'seal "static" {{ current_key_id = "a"\n current_key = "file://{file}" }}'
    known = open_active(seals(tmp_path, STATIC), SystemSource())
    seal = open_active(seals(tmp_path, block), SystemSource())
    assert known is not None
    assert seal is not None
    blob = asyncio.run(known.wrap(b"k" * 32, Purpose.ROOT_KEY))
    file.write_text("cd" * 32)
    with pytest.raises(CannotUnseal):
        asyncio.run(seal.unwrap(blob, Purpose.ROOT_KEY))
    file.write_text(KEY)
    assert asyncio.run(seal.unwrap(blob, Purpose.ROOT_KEY)) == b"k" * 32


def test_a_token_that_was_refused_is_read_anew_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("revoked")
    with TransitServer() as server:
        server.make_key("unseal")
        block = f"""seal "transit" {{ address = "{server.address}"
          token = "file://{file}"
          key_name = "unseal" }}"""
        seal = open_active(seals(tmp_path, block), SystemSource())
        assert seal is not None
        for ask in (lambda: seal.wrap(b"k" * 32, Purpose.ROOT_KEY), seal.keep):
            file.write_text("revoked")
            with pytest.raises(SealUnavailable, match="answered 403"):
                asyncio.run(ask())
            file.write_text(server.token)
            asyncio.run(ask())
            server.token += "-another"


def test_the_environment_wins_over_the_file_and_can_choose_the_seal(tmp_path: Path) -> None:
    variables = {
        "VAULT_SEAL_TYPE": "static",
        "CUSTODY_STATIC_SEAL_CURRENT_KEY_ID": "b",
        "BAO_STATIC_SEAL_CURRENT_KEY": "cd" * 32,
    }
    assert seals(tmp_path, "", variables)[0].options == {
        "current_key_id": "b", "current_key": "cd" * 32
    }  # fmt: skip
    assert seals(tmp_path, STATIC, variables)[0].options["current_key_id"] == "b"


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ('seal "stone" {}', 'unknown seal "stone"; this release has shamir, static'),
        ("seal {}", "seal needs 1 name"),
        ('seal "static" { current_key_id = "a" }', "current_key must be given"),
        ('seal "static" { current_key_id = "a"\n current_key = "abcd" }',
         "current_key is not a key of 32 bytes in hex or base64"),
        (f'seal "static" {{ current_key_id = "a"\n current_key = "{KEY}"\n curent_key = "x" }}',
         'unknown key "curent_key"; did you mean "current_key"?'),
        ((f'seal "static" {{ current_key_id = "a"\n current_key = "{KEY}"\n'
         ' previous_key_id = "b" }'),
         "previous_key_id and previous_key belong together"),
        ('seal "static" { current_key_id = "a"\n current_key = "env://NOT_SET" }',
         "the variable NOT_SET is not set"),
        ('seal "transit" { address = "http://a" }', "token, key_name must be given"),
        ('seal "transit" { address = "here"\n token = "t"\n key_name = "k" }',
         "an address is written https://HOST:PORT"),
        (STATIC + STATIC, "two seals are not disabled: static, static"),
    ],
)  # fmt: skip
def test_a_seal_that_cannot_be_is_refused(tmp_path: Path, text: str, refusal: str) -> None:
    with pytest.raises(BadConfiguration) as caught:
        seals(tmp_path, text)
    assert refusal in str(caught.value)
    assert "abcd" not in str(caught.value).replace(KEY, "")


TRANSIT = """seal "transit" {
  address = "https://kms.example.com:8200/"
  token = "file:///nowhere/token"
  key_name = "unseal"
  mount_path = "kms/transit/"
  disable_renewal = "true"
  tls_skip_verify = true
}
"""


def test_a_transit_seal_is_read_whole(tmp_path: Path) -> None:
    found = seals(tmp_path, TRANSIT)[0]
    assert found.options == {
        "address": "https://kms.example.com:8200/", "token": "file:///nowhere/token",
        "key_name": "unseal", "mount_path": "kms/transit/", "disable_renewal": "true",
        "tls_skip_verify": "true",
    }  # fmt: skip
    assert found.identity == "https://kms.example.com:8200||kms/transit|unseal"


def test_what_a_transit_seal_lacks_may_come_from_the_environment(tmp_path: Path) -> None:
    variables = {
        "VAULT_ADDR": "http://127.0.0.1:9", "VAULT_TOKEN": "t",
        "VAULT_TRANSIT_SEAL_KEY_NAME": "other",
    }  # fmt: skip
    given = seals(tmp_path, 'seal "transit" { key_name = "mine" }', variables)[0].options
    assert given == {"address": "http://127.0.0.1:9", "token": "t", "key_name": "other"}
    kept = seals(tmp_path, TRANSIT, variables)[0].options
    assert kept["address"] == "https://kms.example.com:8200/"


def test_a_transit_seal_that_was_given_up_keeps_who_it_was_and_no_token(tmp_path: Path) -> None:
    block = TRANSIT.replace("{", "{ disabled = true", 1)
    identity = "https://kms.example.com:8200||kms/transit|unseal"
    assert seals(tmp_path, block) == [SealStanza("transit", identity, disabled=True)]


def test_a_disabled_seal_is_known_by_name_and_its_key_is_not_kept(tmp_path: Path) -> None:
    block = STATIC.replace("{", '{ disabled = "true"\n', 1)
    found = seals(tmp_path, block)
    assert found == [SealStanza("static", "", disabled=True)]
    plan = plan_of(found)
    assert (plan.active, plan.disabled) == (Named("shamir"), (Named("static"),))
    assert not plan.automatic
    assert Standing.MIGRATION.value == "migration"


def test_no_process_but_the_custodian_is_given_a_key() -> None:
    stanza = SealStanza("static", options={"current_key": KEY})
    settings = Settings(data_path="/data", listeners=[Listener("::1", 1)], seals=[stanza])
    assert settings.without_keys().seals == [SealStanza("static")]
    assert KEY not in repr(settings)
    given = handoff.Handoff(
        role="worker", slot=2, parent=1, page=1, life=1, custodian=1, board=1,
        settings=settings.without_keys(),
    )  # fmt: skip
    assert KEY not in repr(given)
    board = reload.board()
    reload.post(board, settings)
    assert reload.posted(board) == settings.without_keys()
    os.close(board)
