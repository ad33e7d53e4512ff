"""Stored policies, as functions over a view of the store.

A policy's version only rises, also across a deletion: a deleted policy leaves the number of its
last version, so a check-and-set made against the deleted one never meets its successor. A policy
that is missing or has ended grants nothing. `root` and `response-wrapping` are not rows: they
cannot be changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from custody.base import codec
from custody.base.errors import BadRequest, unchained
from custody.base.record import Record
from custody.base.store import Rows, Table, Transaction
from custody.policy import defaults
from custody.policy.acl import ACL
from custody.policy.compiled import Compiled
from custody.policy.document import Document, decode_text, parse

_POLICY: Final = Table.POLICY  # looked up once: a member of an enum is dear to look up
MAX_NAME = 400  # bytes of UTF-8
CREATE_ONLY = -1

_FIXED = frozenset({defaults.ROOT, defaults.RESPONSE_WRAPPING})
_RETIRED = b"\xff"  # before a name: its last version. No name in UTF-8 starts so; they come last
_COMPILED = Compiled()


class PolicyEntry(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One policy. Times in nanoseconds since the epoch; `expiration_ns` 0 is never."""

    name: str
    text: str
    version: int = 0
    modified_ns: int = 0
    expiration_ns: int = 0
    cas_required: bool = False

    def ended(self, now_ns: int) -> bool:
        """Whether it no longer counts at `now_ns`."""
        return 0 < self.expiration_ns < now_ns


class RetiredPolicy(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What stays of a deleted policy: the number of its last version."""

    version: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A policy that may be stored: its name and text as they are kept, and what it says."""

    name: str
    text: str
    document: Document


@dataclass(frozen=True, slots=True)
class Terms:
    """What a policy is written with beside its text."""

    expiration_ns: int = 0
    cas_required: bool = False


_NO_TERMS = Terms()


def normalise(name: str) -> str:
    """The name as it is kept: trimmed and in lower case."""
    return name.strip().lower()


def read(rows: Rows, name: str, now_ns: int) -> PolicyEntry | None:
    """The policy, or None where there is none or it has ended. Root has an empty text."""
    name = normalise(name)
    if name == defaults.ROOT:
        return PolicyEntry(name=name, text="")
    if name == defaults.RESPONSE_WRAPPING:
        return PolicyEntry(name=name, text=defaults.RESPONSE_WRAPPING_POLICY)
    entry = _entry(rows, _key(name))
    return None if entry is None or entry.ended(now_ns) else entry


def exists(rows: Rows, name: str) -> bool:
    """Whether there is a policy of that name, ended or not: by `memo`, as decisions read it."""
    name = normalise(name)
    return name in _FIXED or rows.memo(_POLICY, _key(name), decode_document) is not None


def names(rows: Rows, prefix: str = "", after: str = "", limit: int = 1000) -> list[str]:
    """Up to `limit` names with `prefix` that come after `after`, sorted, root among them.

    Rows are opened, though only their keys are wanted: that is what tells a name from a forged one.
    """
    start = prefix.encode()
    if after and not after.startswith(prefix):
        if after > prefix:
            return []
        after = ""
    beyond = after[len(prefix) :].encode() or (b"\0" if after else b"")
    page = rows.scan(Table.POLICY, start, beyond, limit)
    found = [key.decode() for key, _ in page if not key.startswith(_RETIRED)]
    if defaults.ROOT.startswith(prefix) and after < defaults.ROOT:
        found = sorted([*found, defaults.ROOT])
    return found[:limit]


def prepare(name: str, text: str) -> Prepared:
    """Read a policy's text (HCL or JSON, either may be base64), which takes a while if it is long.

    Raises BadRequest for an empty or wrong text and for a fixed name.
    """
    name = normalise(name)
    _key(name)
    if not text:
        raise BadRequest("'policy' parameter not supplied or empty")
    text = decode_text(text)
    document = parse(name, text)
    if name in _FIXED:
        raise BadRequest(f'cannot update "{name}" policy')
    return Prepared(name, text, document)


def write(
    txn: Transaction,
    name: str,
    text: str,
    now_ns: int,
    cas: int | None = None,
    terms: Terms = _NO_TERMS,
) -> PolicyEntry:
    """As `prepare` and `put` in one."""
    return put(txn, prepare(name, text), now_ns, cas, terms)


def put(
    txn: Transaction,
    prepared: Prepared,
    now_ns: int,
    cas: int | None = None,
    terms: Terms = _NO_TERMS,
) -> PolicyEntry:
    """Set a policy and answer what was stored.

    `cas` is the version that must be the current one (0: none), or CREATE_ONLY. Raises
    BadRequest for an end that is over and a check that fails.
    """
    if terms.expiration_ns and terms.expiration_ns <= now_ns:
        raise BadRequest("refusing to update policy as expiration time has already elapsed")
    key = _key(prepared.name)
    current = _entry(txn, key)
    _check(current, cas, terms)
    entry = PolicyEntry(
        name=prepared.name,
        text=prepared.text,
        version=_last_version(txn, key, current) + 1,
        modified_ns=now_ns,
        expiration_ns=terms.expiration_ns,
        cas_required=terms.cas_required,
    )
    txn.delete(Table.POLICY, _RETIRED + key)
    txn.put(Table.POLICY, key, codec.encode(entry))
    return entry


def delete(txn: Transaction, name: str) -> bool:
    """Remove a policy; says whether there was one. Raises BadRequest for those that must stay."""
    name = normalise(name)
    if name in _FIXED:
        raise BadRequest(f'cannot delete "{name}" policy')
    if name == defaults.DEFAULT:
        raise BadRequest("cannot delete default policy")
    key = _key(name)
    current = _entry(txn, key)
    if current is None:
        return False
    txn.put(Table.POLICY, _RETIRED + key, codec.encode(RetiredPolicy(version=current.version)))
    return txn.delete(Table.POLICY, key)


def seed(txn: Transaction, now_ns: int) -> None:
    """Write the default policy where there is none."""
    if _entry(txn, _key(defaults.DEFAULT)) is None:
        write(txn, defaults.DEFAULT, defaults.DEFAULT_POLICY, now_ns)


def acl_for(rows: Rows, names: Sequence[str], now_ns: int) -> ACL:
    """What the policies `names` say together.

    Each is read by `memo`, missing ones too, so that a decision's read-set holds them all.
    Raises CorruptRecord where a stored text is no policy: leaving it out could lose a deny.
    """
    documents = []
    for name in sorted(set(names)):
        if name == defaults.ROOT:
            return _COMPILED.acl((defaults.ROOT_DOCUMENT,), now_ns)
        if name == defaults.RESPONSE_WRAPPING:
            documents.append(_response_wrapping())
            continue
        document = rows.memo(Table.POLICY, name.encode(), decode_document)
        if document is not None:
            documents.append(document)
    return _COMPILED.acl(documents, now_ns)


def decode_document(data: bytes) -> Document:
    """The parsed policy of a row. Raises CorruptRecord."""
    entry = codec.decode(PolicyEntry, data)
    try:
        return parse(entry.name, entry.text, expires_ns=entry.expiration_ns)
    except BadRequest as error:
        raise codec.CorruptRecord(f"policy {entry.name}: {error}") from error


@lru_cache(maxsize=1)
def _response_wrapping() -> Document:
    return defaults.response_wrapping()


def _key(name: str) -> bytes:
    try:
        key = name.encode()
    except UnicodeEncodeError:
        raise unchained(BadRequest("policy name is not valid UTF-8")) from None
    if not key:
        raise BadRequest("policy name must be provided in the URL")
    if len(key) > MAX_NAME:
        raise BadRequest(f"policy name is longer than {MAX_NAME} bytes")
    return key


def _entry(rows: Rows, key: bytes) -> PolicyEntry | None:
    data = rows.get(Table.POLICY, key)
    return None if data is None else codec.decode(PolicyEntry, data)


def _check(current: PolicyEntry | None, cas: int | None, terms: Terms) -> None:
    if cas is None:
        if terms.cas_required or (current is not None and current.cas_required):
            raise BadRequest("check-and-set parameter required for this call")
        return
    if cas == CREATE_ONLY:
        if current is not None:
            raise BadRequest("check-and-set parameter set to -1 on existing entry")
    elif cas != (current.version if current is not None else 0):
        raise BadRequest("check-and-set parameter did not match the current version")


def _last_version(rows: Rows, key: bytes, current: PolicyEntry | None) -> int:
    if current is not None:
        return current.version
    data = rows.get(Table.POLICY, _RETIRED + key)
    return 0 if data is None else codec.decode(RetiredPolicy, data).version
