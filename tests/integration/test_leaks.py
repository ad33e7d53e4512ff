"""Secrets are in no log, record, file, title or metric, and once sealed in no memory.

Each search is proven able to find: what it must not find later or there, it finds now or here.
"""

import base64
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.harness import Client, Server, alive, close_store, eventually, keys_of, open_store

_CHUNK = 16 * 1024 * 1024
_OVERLAP = 256  # bytes: more than the longest needle
_SKIPPED = ("[vvar", "[vsyscall", "data.mdb", "lock.mdb")  # no memory, or files searched as such
_POLICY = 'path "secret/*" { capabilities = ["create", "read", "update", "patch", "delete"] }'


@dataclass(frozen=True, slots=True)
class Planted:
    """Secrets that went through a node, by what they are."""

    values: Mapping[str, str]
    node: Server

    @property
    def needles(self) -> dict[str, bytes]:
        """Every form in which they might lie somewhere."""
        found = {name: value.encode() for name, value in self.values.items()}
        for name, value in self.values.items():
            found[f"{name} in base64"] = base64.b64encode(value.encode())
        for number, share in enumerate(self.node.shares):
            found |= _forms(f"share {number}", bytes.fromhex(share))
        return found

    @property
    def keys(self) -> dict[str, bytes]:
        """The keys, made from the shares."""
        store = open_store(self.node.data)
        root_key, keyring = keys_of(store, self.node.shares)
        close_store(store)
        found = {**_forms("root key", root_key), **_forms("derivation key", keyring.stable)}
        for number, term in enumerate(keyring.terms, 1):
            found |= _forms(f"key of term {number}", term.key)
        return found


@pytest.fixture
def talkative(tmp_path: Path) -> Iterator[Server]:
    """A node that logs all it can."""
    with Server(tmp_path, settings='log_level = "trace"\n') as server:
        yield server


@pytest.fixture
def planted(talkative: Server) -> Planted:
    """A node that has seen secrets in every place that takes one, asked for rightly and wrongly."""
    talkative.initialise(shares=3, threshold=2)
    talkative.mount()
    texts = ("value", "patched", "stray", "query", "broken", "wrong type", "mount", "old path")
    values = {name: f"planted-{secrets.token_hex(12)}" for name in texts}
    values |= {name: str(10**14 + secrets.randbelow(10**14)) for name in ("number", "lost number")}
    values |= {
        "bad token": f"s.{secrets.token_hex(12)}",
        "root token": talkative.token,
        "token": talkative.new_token(_POLICY, "leaks"),
        "spent token": talkative.new_token(_POLICY, "leaks"),
    }
    with talkative.client(values["token"]) as client:
        _use(client, values)
        _misuse(client, values)
    with talkative.client() as root:
        root.expect(200, "POST", "auth/token/lookup", {"token": values["spent token"]})
        root.expect(204, "POST", "auth/token/revoke", {"token": values["spent token"]})
        root.expect(204, "PUT", "sys/rotate")
        assert root.call("PUT", "sys/unseal", {"key": talkative.shares[0]}).status == 200
    return Planted(values, talkative)


def _use(client: Client, values: Mapping[str, str]) -> None:
    pin = int(values["number"])
    data = {"text": values["value"], "pin": pin, "list": [pin, {"deep": pin}], "rate": pin + 0.5}
    client.expect(200, "POST", "secret/data/app", {"data": data, "options": {"cas": 0}})
    client.expect(200, "PATCH", "secret/data/app", {"data": {"more": values["patched"]}})
    client.expect(200, "GET", "secret/data/app")
    client.expect(200, "GET", "secret/data/app?version=1")
    client.expect(200, "GET", "secret/subkeys/app")
    client.expect(200, "GET", f"secret/data/app?unknown={values['query']}")


def _misuse(client: Client, values: Mapping[str, str]) -> None:
    stray, number = values["stray"], int(values["lost number"])
    client.expect(400, "POST", "secret/data/app", {"password": stray, "pin": number})
    client.expect(400, "POST", "secret/data/app", {"data": {"a": stray}, "options": {"cas": 7}})
    client.expect(400, "POST", "secret/data/app", {"data": values["wrong type"]})
    client.expect(400, "POST", "secret/data/app", b'{"data": {"a": "%b' % values["broken"].encode())
    client.expect(404, "POST", "secret/app", {"password": values["old path"], "pin": number})
    client.expect(403, "POST", "secrets/data/app", {"data": {"a": values["mount"], "pin": number}})
    client.expect(403, "POST", "sys/policies/acl/app", {"policy": stray})
    assert client.call("GET", "secret/data/app", token=values["bad token"]).status == 403


def test_planted_secrets_are_in_no_log_no_record_no_file_and_no_metric(planted: Planted) -> None:
    node = planted.node
    metrics = node.expect(200, "GET", "sys/metrics?format=prometheus").body
    node.stop()
    places = {"the log": node.log.read_bytes(), "the audit file": node.audit.read_bytes()}
    places |= {str(path): path.read_bytes() for path in node.data.rglob("*") if path.is_file()}
    places["the metrics"] = metrics.encode()
    assert b"custody_" in places["the metrics"]
    assert b"secret/data/app" in places["the audit file"]
    assert any(b"app" in text for name, text in places.items() if name.endswith("data.mdb"))
    needles = {**planted.needles, **planted.keys}
    leaks = [
        f"{needle} in {place}" for place, text in places.items() for needle in _found(text, needles)
    ]
    assert leaks == []


@pytest.mark.needs_root
def test_planted_secrets_are_in_no_title_and_no_environment(planted: Planted) -> None:
    for pid in (planted.node.process.pid, *planted.node.pids()):
        for name in ("cmdline", "environ", "comm", "status"):
            text = Path(f"/proc/{pid}/{name}").read_bytes()
            assert text
            assert not _found(text, {**planted.needles, **planted.keys}), name


@pytest.mark.needs_root
def test_no_process_remembers_a_secret_or_a_key_once_the_node_is_sealed(planted: Planted) -> None:
    node = planted.node
    values, keys = planted.needles, planted.keys
    before = node.pids()
    remembered: dict[str, set[str]] = {role: set() for role in before.values()}
    for pid, role in before.items():
        remembered[role] |= _memory_of(pid, {**values, **keys})
    assert remembered["worker"] & values.keys()
    assert "key of term 1" in remembered["worker"] & remembered["steward"]
    assert "root key" in remembered["custodian"]
    node.expect(204, "PUT", "sys/seal")
    eventually(lambda: not any(alive(pid) for pid in before))
    eventually(node.whole)
    assert node.call("GET", "secret/data/app", token="").status == 503
    for pid, role in {node.process.pid: "supervisor", **node.pids()}.items():
        assert not _memory_of(pid, {**values, **keys}), role


@pytest.mark.needs_root
def test_the_key_of_an_automatic_seal_is_in_the_memory_of_the_custodian_alone(
    tmp_path: Path,
) -> None:
    key = secrets.token_bytes(32)
    file = tmp_path / "seal-key"
    file.write_bytes(key)
    stanza = f'seal "static" {{ current_key_id = "a"\n current_key = "file://{file}" }}\n'
    needles = _forms("seal key", key)
    with Server(tmp_path, settings=f'log_level = "trace"\n{stanza}') as node:
        made = node.expect(200, "PUT", "sys/init", {}).body
        node.token = made["root_token"]
        eventually(lambda: node.call("GET", "sys/seal-status").body["sealed"] is False)
        remembered = {role: _memory_of(pid, needles) for pid, role in node.pids().items()}
        assert "seal key" in remembered.pop("custodian")
        assert not any(remembered.values())
        assert not _memory_of(node.process.pid, needles)
        assert not _found(node.log.read_bytes(), needles)


def test_what_a_ceremony_takes_and_makes_is_in_no_log_and_no_record(talkative: Server) -> None:
    talkative.initialise(shares=3, threshold=2)
    old = talkative.shares
    body = {"secret_shares": 3, "secret_threshold": 2, "require_verification": True}
    nonce = talkative.expect(200, "PUT", "sys/rekey/init", body).body["nonce"]
    talkative.expect(400, "PUT", "sys/rekey/update", {"key": old[0], "nonce": "wrong"})
    new = [_give(talkative, "sys/rekey/update", share, nonce) for share in old][-1]
    proof = new["verification_nonce"]
    for share in new["keys"][:2]:
        _give(talkative, "sys/rekey/verify", share, proof)
    started = talkative.expect(200, "PUT", "sys/generate-root/attempt").body
    nonce = started["nonce"]
    shares = new["keys"][:2]
    made = [_give(talkative, "sys/generate-root/update", one, nonce) for one in shares][-1]
    hidden = {"encoded_token": made["encoded_token"], "otp": started["otp"]}
    token = talkative.expect(200, "PUT", "sys/decode-token", hidden).data["token"]
    assert talkative.call("GET", "auth/token/lookup-self", token=token).status == 200
    needles = {"token": token.encode(), "otp": started["otp"].encode()}
    needles["encoded token"] = made["encoded_token"].encode()
    for number, share in enumerate((*old, *new["keys"])):
        needles |= _forms(f"share {number}", bytes.fromhex(share))
    for place in (talkative.log, talkative.audit):
        text = place.read_bytes()
        assert b"custodian" in text or b"sys/rekey/update" in text
        assert not _found(text, needles), place


def _give(node: Server, path: str, share: str, nonce: str) -> dict[str, Any]:
    found: dict[str, Any] = node.expect(200, "PUT", path, {"key": share, "nonce": nonce}).body
    return found


def _forms(name: str, raw: bytes) -> dict[str, bytes]:
    return {
        name: raw,
        f"{name} in hex": raw.hex().encode(),
        f"{name} in base64": base64.b64encode(raw).rstrip(b"="),
    }


def _found(text: bytes, needles: Mapping[str, bytes]) -> set[str]:
    return {name for name, needle in needles.items() if needle in text}


def _memory_of(pid: int, needles: Mapping[str, bytes]) -> set[str]:
    """Which needles lie in a process's memory."""
    found: set[str] = set()
    for text in _memory(pid):
        found |= _found(text, needles)
    return found


def _memory(pid: int) -> Iterator[bytes]:
    """The readable memory of a process, in overlapping chunks."""
    rows = [line.split(maxsplit=5) for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for row in rows:
            name = row[5] if len(row) > 5 else ""
            if not row[1].startswith("r") or any(one in name for one in _SKIPPED):
                continue
            start, end = (int(address, 16) for address in row[0].split("-"))
            for place in range(start, end, _CHUNK):
                try:
                    memory.seek(place)
                    yield memory.read(min(_CHUNK + _OVERLAP, end - place))
                except OSError:
                    continue  # a guard page, or gone meanwhile
