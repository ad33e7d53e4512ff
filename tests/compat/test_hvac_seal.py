"""hvac, unmodified: what its users do with shares, root tokens and the seal."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hvac  # type: ignore[import-untyped]  # it ships no types
import pytest
from hvac import exceptions
from pysequoia import Tsk, decrypt
from tests.harness import Server, eventually


@pytest.fixture
def fresh(new_node: Server) -> Iterator[hvac.Client]:
    """A client of a server that was never initialised."""
    one = hvac.Client(url=new_node.address)
    yield one
    one.adapter.close()


def _opened(client: hvac.Client) -> list[str]:
    """The shares of a server that this opens: three, two of which are enough."""
    made = client.sys.initialize(secret_shares=3, secret_threshold=2)
    client.sys.submit_unseal_keys(made["keys"][:2])
    client.token = made["root_token"]
    shares: list[str] = made["keys"]
    return shares


def _read(message: str, holder: Tsk) -> str:
    """A message in base64, as its holder reads it."""
    return (decrypt(base64.b64decode(message), holder.decryptor()).bytes or b"").decode()


def test_a_rekey_with_verification(fresh: hvac.Client) -> None:
    shares = _opened(fresh)
    assert fresh.sys.read_rekey_progress()["started"] is False
    started = fresh.sys.start_rekey(secret_shares=2, secret_threshold=2, require_verification=True)
    assert (started["required"], started["t"], started["n"]) == (2, 2, 2)
    fresh.sys.cancel_rekey()
    started = fresh.sys.start_rekey(secret_shares=2, secret_threshold=2, require_verification=True)
    made = fresh.sys.rekey_multi(shares[:2], nonce=started["nonce"])
    assert made["complete"] is True
    assert fresh.sys.read_rekey_verify_progress()["started"] is True
    nonce = fresh.sys.cancel_rekey_verify()["nonce"]
    assert fresh.sys.rekey_verify_multi(made["keys"], nonce=nonce)["complete"] is True
    fresh.sys.seal()
    eventually(lambda: bool(fresh.sys.is_sealed()))
    with pytest.raises(exceptions.InvalidRequest, match="cipher: message authentication failed"):
        fresh.sys.submit_unseal_keys(shares[:2])
    assert fresh.sys.submit_unseal_keys(made["keys_base64"])["sealed"] is False


def test_a_rekey_for_pgp_keys_is_backed_up(fresh: hvac.Client) -> None:
    shares = _opened(fresh)
    holder = Tsk.generate("ann@example.com")
    public = base64.b64encode(bytes(holder.extract_certificate())).decode()
    started = fresh.sys.start_rekey(
        secret_shares=1, secret_threshold=1, pgp_keys=[public], backup=True
    )
    made = fresh.sys.rekey_multi(shares[1:], nonce=started["nonce"])
    kept = fresh.sys.read_backup_keys()["data"]["keys_base64"]
    assert kept == {holder.extract_certificate().fingerprint: made["keys_base64"]}
    share = _read(made["keys_base64"][0], holder)
    fresh.sys.seal()
    eventually(lambda: bool(fresh.sys.is_sealed()))
    assert fresh.sys.submit_unseal_key(share)["sealed"] is False


def test_a_root_token_is_made_by_share_holders(fresh: hvac.Client) -> None:
    shares = _opened(fresh)
    status = fresh.sys.read_root_generation_progress()
    otp = "x" * status["otp_length"]
    started = fresh.sys.start_root_token_generation(otp=otp)
    assert fresh.sys.read_root_generation_progress()["started"] is True
    fresh.sys.cancel_root_generation()
    started = fresh.sys.start_root_token_generation(otp=otp)
    given = [fresh.sys.generate_root(key=share, nonce=started["nonce"]) for share in shares[:2]]
    encoded: str = given[-1]["encoded_root_token"]
    hidden = base64.b64decode(encoded + "=" * (-len(encoded) % 4))
    fresh.token = bytes(one ^ ord("x") for one in hidden).decode()
    assert fresh.lookup_token()["data"]["policies"] == ["root"]


def test_initialisation_for_pgp_keys(fresh: hvac.Client) -> None:
    holder = Tsk.generate("ann@example.com")
    public = base64.b64encode(bytes(holder.extract_certificate())).decode()
    made = fresh.sys.initialize(
        secret_shares=1, secret_threshold=1, pgp_keys=[public], root_token_pgp_key=public
    )
    assert fresh.sys.submit_unseal_key(_read(made["keys_base64"][0], holder))["sealed"] is False
    fresh.token = _read(made["root_token"], holder)
    assert fresh.is_authenticated()


def test_recovery_shares_under_an_automatic_seal(tmp_path: Path) -> None:
    stanza = f'seal "static" {{ current_key_id = "a"\n current_key = "{"ab" * 32}" }}\n'
    with Server(tmp_path, settings=stanza) as server:
        client = hvac.Client(url=server.address)
        made = client.sys.initialize(recovery_shares=2, recovery_threshold=2)
        assert (made["keys"], len(made["recovery_keys"])) == ([], 2)
        eventually(lambda: not client.sys.is_sealed())
        client.token = made["root_token"]
        started = client.sys.start_rekey(
            secret_shares=1, secret_threshold=1, recovery_key=True, require_verification=False
        )
        changed: dict[str, Any] = client.sys.rekey_multi(
            made["recovery_keys"], nonce=started["nonce"], recovery_key=True
        )
        assert len(changed["keys"]) == 1
        assert client.sys.read_rekey_progress(recovery_key=True)["required"] == 1
        client.adapter.close()
