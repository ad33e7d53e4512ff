"""Owns the form of a record on a device: Vault's audit entries, and `custody` with our own fields.

This runs twice per request on the event loop, so what repeats is kept: the hashes of a known
caller's token and accessor, and the part of a request's record that its response repeats.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from custody.audit.hash import Hasher, legible
from custody.audit.record import (
    Caller,
    Decision,
    Entry,
    Grant,
    Mount,
    RequestEntry,
    ResponseEntry,
    Rule,
    Wrapped,
)
from custody.base.clock import NANOSECOND

_CALLERS: Final = 4096  # callers remembered; then all are forgotten
_json: Final = msgspec.json.Encoder()


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """A device's choices of what its records show."""

    hmac_accessor: bool = True
    log_raw: bool = False
    elide_list_responses: bool = False


class _Results(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    allowed: bool
    granting_policies: tuple[Grant, ...] = ()


class _Auth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    client_token: str = ""
    accessor: str = ""
    display_name: str = ""
    policies: tuple[str, ...] = ()
    token_policies: tuple[str, ...] = ()
    identity_policies: tuple[str, ...] = ()
    policy_results: _Results | None = None
    metadata: object = None
    entity_id: str = ""
    token_type: str = ""
    token_ttl: int = 0
    token_issue_time: str = ""
    remaining_uses: int = 0


class _Namespace(msgspec.Struct, frozen=True, gc=False):
    id: str
    path: str


class _Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    id: str
    client_id: str = ""
    operation: str
    mount_point: str = ""
    mount_type: str = ""
    mount_accessor: str = ""
    mount_running_version: str = ""
    mount_class: str = ""
    client_token: str = ""
    client_token_accessor: str = ""
    namespace: _Namespace
    path: str
    data: object = None
    remote_address: str = ""
    remote_port: int = 0
    wrap_ttl: int = 0
    headers: dict[str, list[str]] | None = None


class _Secret(msgspec.Struct, frozen=True, gc=False):
    lease_id: str


class _Wrap(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    ttl: int
    token: str
    accessor: str
    creation_time: str
    creation_path: str
    wrapped_accessor: str = ""


class _Response(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    auth: msgspec.Raw | None = None
    mount_point: str = ""
    mount_type: str = ""
    mount_accessor: str = ""
    mount_running_version: str = ""
    mount_class: str = ""
    secret: _Secret | None = None
    data: object = None
    wrap_info: _Wrap | None = None
    warnings: tuple[str, ...] = ()


class _Both(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    auth: msgspec.Raw | _Auth | None = None
    request: _Request


class _Fate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    event_id: str = ""
    recovered: bool = False


class _Why(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    rule: Rule | None = None
    reason: str = ""
    near_misses: tuple[Rule, ...] = ()


class _Known:
    """A caller's hashes, and their `auth` block under the decision met last."""

    __slots__ = ("accessor", "auth", "caller", "decision", "token")

    def __init__(self, caller: Caller, token: str, accessor: str) -> None:
        self.caller = caller
        self.token = token
        self.accessor = accessor
        self.decision: Decision | None = None
        self.auth: msgspec.Raw | None = None


class Encoder:
    """Turns entries into records under one device's key and format."""

    def __init__(self, key: bytes, form: Format) -> None:
        self._hasher = Hasher(key)
        self._form = form
        self._known: dict[bytes, _Known] = {}
        self._second = -1
        self._stamp = ""

    def encode(self, entry: Entry) -> bytes:
        """The record of `entry`: one JSON object, no line end. Raises TypeError on odd data."""
        if type(entry) is RequestEntry:
            return self._request_record(entry)
        return self._response_record(entry)  # type: ignore[arg-type]  # the other one

    def hash(self, text: str) -> str:
        """What `text` looks like in this device's records, for sys/audit-hash."""
        return self._hasher.text(text)

    def _request_record(self, entry: RequestEntry) -> bytes:
        return b'{"time":"%b","type":"request",%b%b%b}' % (
            self._time(entry.time_ns),
            self._shared(entry),
            _error(entry.error),
            _custody(entry.decision, "", recovered=False),
        )

    def _response_record(self, entry: ResponseEntry) -> bytes:
        request = entry.request
        return b'{"time":"%b","type":"response",%b,"response":%b%b%b}' % (
            self._time(entry.time_ns),
            self._shared(request),
            _json.encode(self._response(entry)),
            _error(entry.error),
            _custody(request.decision, entry.event_id, recovered=entry.recovered),
        )

    def _time(self, ns: int) -> bytes:
        second, fraction = divmod(ns, NANOSECOND)
        if second != self._second:
            self._stamp = f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"
            self._second = second
        return f"{self._stamp}.{fraction:09d}Z".encode()

    def _shared(self, entry: RequestEntry) -> bytes:
        """The members `auth` and `request`, which both records of a request carry."""
        known = entry.encoded.get(self)
        if known is None:
            known = entry.encoded[self] = self._encode_shared(entry)
        return known

    def _encode_shared(self, entry: RequestEntry) -> bytes:
        caller, decision = entry.caller, entry.decision
        if caller is None:
            token, accessor = self._text(entry.client_token), ""
            auth: msgspec.Raw | _Auth | None = None
            if decision is not None:
                auth = _Auth(policy_results=_results(decision))
        else:
            known = self._recall(caller, entry.client_token)
            token, accessor = known.token, known.accessor
            auth = _auth(known, decision)
        both = _Both(auth=auth, request=self._request(entry, token, accessor))
        return _json.encode(both)[1:-1]

    def _request(self, entry: RequestEntry, token: str, accessor: str) -> _Request:
        mount = entry.mount or _NO_MOUNT
        data = entry.data
        return _Request(
            id=entry.id,
            client_id=entry.client_id,
            operation=entry.operation,
            mount_point=mount.point,
            mount_type=mount.type,
            mount_accessor=mount.accessor,
            mount_running_version=mount.running_version,
            mount_class=mount.plugin_class,
            client_token=token,
            client_token_accessor=accessor,
            namespace=_ROOT if entry.namespace_id == "root" else _namespace(entry),
            path=entry.path,
            data=self._data(data, mount.request_keys, entry.clear_numbers) if data else None,
            remote_address=entry.remote_address,
            remote_port=entry.remote_port,
            wrap_ttl=entry.wrap_ttl,
            headers=self._headers(entry) if entry.headers else None,
        )

    def _response(self, entry: ResponseEntry) -> _Response:
        mount, numbers = entry.request.mount or _NO_MOUNT, entry.request.clear_numbers
        data = entry.data
        if data and self._form.elide_list_responses and entry.request.operation == "list":
            data = _elided(data)
        return _Response(
            auth=self._new_auth(entry.auth, entry.auth_token) if entry.auth else None,
            mount_point=mount.point,
            mount_type=mount.type,
            mount_accessor=mount.accessor,
            mount_running_version=mount.running_version,
            mount_class=mount.plugin_class,
            secret=_Secret(entry.lease_id) if entry.lease_id else None,
            data=self._data(data, mount.response_keys, numbers) if data else None,
            wrap_info=self._wrap(entry.wrap) if entry.wrap else None,
            warnings=entry.warnings,
        )

    def _recall(self, caller: Caller, token: str) -> _Known:
        known = self._known.get(caller.id)
        if known is not None and (known.caller is caller or known.caller == caller):
            if known.token or not token:
                return known
        elif len(self._known) >= _CALLERS:
            self._known.clear()
        fresh = _Known(caller, self._text(token), self._accessor(caller.accessor))
        self._known[caller.id] = fresh
        return fresh

    def _new_auth(self, caller: Caller, token: str) -> msgspec.Raw:
        known = _Known(caller, self._text(token), self._accessor(caller.accessor))
        return _auth(known, None)

    def _wrap(self, wrap: Wrapped) -> _Wrap:
        return _Wrap(
            ttl=wrap.ttl,
            token=self._text(wrap.token),
            accessor=self._accessor(wrap.accessor),
            creation_time=wrap.creation_time,
            creation_path=wrap.creation_path,
            wrapped_accessor=self._accessor(wrap.wrapped_accessor),
        )

    def _headers(self, entry: RequestEntry) -> dict[str, list[str]]:
        hashed = self._text
        return {
            name: list(values) if name in entry.clear_headers else [hashed(v) for v in values]
            for name, values in (entry.headers or {}).items()
        }

    def _data(
        self, data: Mapping[str, object], clear: frozenset[str], numbers: frozenset[str] | None
    ) -> object:
        return legible(data) if self._form.log_raw else self._hasher.fields(data, clear, numbers)

    def _text(self, value: str) -> str:
        return value if self._form.log_raw or not value else self._hasher.text(value)

    def _accessor(self, value: str) -> str:
        return self._text(value) if self._form.hmac_accessor else value


_NO_MOUNT: Final = Mount(point="", type="", plugin_class="")
_ROOT: Final = _Namespace("root", "")


def _namespace(entry: RequestEntry) -> _Namespace:
    return _Namespace(entry.namespace_id, entry.namespace_path)


def _results(decision: Decision) -> _Results:
    return _Results(decision.allowed, decision.grants)


def _auth(known: _Known, decision: Decision | None) -> msgspec.Raw:
    """The caller's `auth` block, encoded; the one met last is used again."""
    if known.auth is not None and known.decision is decision:
        return known.auth
    caller = known.caller
    auth = _Auth(
        client_token=known.token,
        accessor=known.accessor,
        display_name=caller.display_name,
        policies=caller.policies,
        token_policies=caller.token_policies,
        identity_policies=caller.identity_policies,
        policy_results=None if decision is None else _results(decision),
        metadata=caller.metadata or None,
        entity_id=caller.entity_id,
        token_type=caller.token_type,
        token_ttl=caller.token_ttl,
        token_issue_time=caller.token_issue_time,
        remaining_uses=caller.remaining_uses,
    )
    known.decision = decision
    known.auth = msgspec.Raw(_json.encode(auth))
    return known.auth


def _error(text: str) -> bytes:
    return b',"error":' + _json.encode(text) if text else b""


def _custody(decision: Decision | None, event_id: str, *, recovered: bool) -> bytes:
    if decision is None and not event_id:
        return b""
    fate = _json.encode(_Fate(event_id=event_id, recovered=recovered)) if event_id else b"{}"
    why = b"{}" if decision is None else _why(decision)
    comma = b"," if len(fate) > len(b"{}") and len(why) > len(b"{}") else b""
    return b',"custody":%b%b%b' % (fate[:-1], comma, why[1:])


def _why(decision: Decision) -> bytes:
    return _json.encode(
        _Why(rule=decision.rule, reason=decision.reason, near_misses=decision.near_misses)
    )


def _elided(data: Mapping[str, object]) -> Mapping[str, object]:
    """A list's answer with how many keys there were instead of the keys."""
    short = dict(data)
    for name in ("keys", "key_info"):
        value = short.get(name)
        if isinstance(value, list | tuple | dict):
            short[name] = len(value)
    return short
