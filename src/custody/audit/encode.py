"""Owns the form of a record on a device: Vault's audit entries, and `custody` with our own fields.

This runs twice per request on the event loop, so what repeats is kept: the hashes of a known
caller's token and accessor, what all requests with one subject share, and the part of a request's
record that its response repeats.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from custody.audit.entry import Entry, RequestEntry, ResponseEntry
from custody.audit.hash import Hasher, legible
from custody.audit.record import Caller, Decision, Mount, Wrapped
from custody.audit.shapes import (
    Auth,
    Both,
    Fate,
    Format,
    MountFields,
    Namespace,
    Request,
    Response,
    Results,
    Secret,
    Why,
    Wrap,
)
from custody.base.clock import rfc3339

_CALLERS: Final = 4096  # callers remembered; then all are forgotten
_FRAMES: Final = 8192  # subjects likewise
_ANSWERS: Final = 2 * 1024 * 1024  # bytes of answers' data, hashed, likewise
_LONGEST: Final = 4096  # bytes of one that is remembered
_OVERHEAD: Final = 250  # bytes that remembering one takes beside it, measured roughly
_json: Final = msgspec.json.Encoder()


class _Known:
    """A caller's hashes, and their `auth` block under the decision met last."""

    __slots__ = ("accessor", "auth", "caller", "decision", "token")

    def __init__(self, caller: Caller, token: str, accessor: str) -> None:
        self.caller = caller
        self.token = token
        self.accessor = accessor
        self.decision: Decision | None = None
        self.auth: msgspec.Raw | None = None


class _Frame:
    """What the records of all requests with one subject share, as it stands in them."""

    __slots__ = ("custody", "head", "middle", "mount", "subject", "why")

    def __init__(self, entry: RequestEntry, auth: bytes, request: Request) -> None:
        self.subject = entry.subject  # held, so that its identity stays its own
        self.head = b'%b"request":{"id":"' % (b'"auth":%b,' % auth if auth else b"")
        self.middle = _json.encode(request)[len(b'{"id":"') : -1]
        self.mount = _json.encode(Response(**_mount_fields(entry.mount or _NO_MOUNT)))[1:-1]
        self.why = b"{}" if entry.decision is None else _why(entry.decision)
        self.custody = _custody(self.why, "", recovered=False)


class _Answers:
    """What records show of answers that are given again and again: data whose texts are hashed.

    They lie under the data's keyed digest, which stands for it here: one hash in place of one for
    each text, and nothing clear is kept. Empties itself before it holds more than `_ANSWERS`.
    """

    __slots__ = ("_held", "_size")

    def __init__(self) -> None:
        self._held: dict[bytes, tuple[frozenset[str], bytes]] = {}
        self._size = 0

    def find(self, digest: bytes, numbers: frozenset[str]) -> bytes | None:
        """What is shown where the numbers under `numbers` stay clear, if it is known."""
        known = self._held.get(digest)
        return known[1] if known is not None and known[0] == numbers else None

    def keep(self, digest: bytes, numbers: frozenset[str], shown: bytes) -> None:
        """Remember it."""
        self._size += len(shown) + _OVERHEAD
        if self._size > _ANSWERS:
            self._held.clear()
            self._size = len(shown) + _OVERHEAD
        self._held[digest] = (numbers, shown)


class Encoder:
    """Turns entries into records under one device's key and format."""

    def __init__(self, key: bytes, form: Format) -> None:
        self._hasher = Hasher(key)
        self._form = form
        self._known: dict[bytes, _Known] = {}
        self._frames: dict[int, _Frame] = {}
        self._answers = _Answers()

    def encode(self, entry: Entry) -> bytes:
        """The record of `entry`: one JSON object, no line end. Raises TypeError on odd data."""
        if type(entry) is RequestEntry:
            return self._request_record(entry)
        return self._response_record(entry)  # type: ignore[arg-type]  # the other one

    def hash(self, text: str) -> str:
        """What `text` looks like in this device's records, for sys/audit-hash."""
        return self._hasher.text(text)

    def _request_record(self, entry: RequestEntry) -> bytes:
        frame = self._frame(entry)
        return b'{"time":"%b","type":"request",%b%b%b}' % (
            rfc3339(entry.time_ns).encode(),
            self._shared(entry, frame),
            _error(entry.error),
            _custody(_why_of(entry), "", recovered=False) if frame is None else frame.custody,
        )

    def _response_record(self, entry: ResponseEntry) -> bytes:
        request = entry.request
        frame = self._frame(request)
        event_id = entry.event_id
        return b'{"time":"%b","type":"response",%b,"response":%b%b%b}' % (
            rfc3339(entry.time_ns).encode(),
            self._shared(request, frame),
            self._response(entry) if frame is None else self._short_response(entry, frame),
            _error(entry.error),
            _custody(_why_of(request), event_id, recovered=entry.recovered)
            if frame is None
            else frame.custody
            if not event_id
            else _custody(frame.why, event_id, recovered=entry.recovered),
        )

    def _frame(self, entry: RequestEntry) -> _Frame | None:
        """What this entry shares with others of its subject; None where it has something of its
        own beside what `RequestEntry` says of a subject."""
        subject = entry.subject
        if subject is None or entry.error or entry.wrap_ttl or entry.headers or entry.client_id:
            return None
        frame = self._frames.get(id(subject))
        if frame is None:
            if len(self._frames) >= _FRAMES:
                self._frames.clear()
            frame = self._frames[id(subject)] = self._new_frame(entry)
        return frame

    def _new_frame(self, entry: RequestEntry) -> _Frame:
        auth, request = self._parts(entry)
        shared = msgspec.structs.replace(
            request, id="", data=None, remote_address="", remote_port=0
        )
        return _Frame(entry, b"" if auth is None else _json.encode(auth), shared)

    def _shared(self, entry: RequestEntry, frame: _Frame | None) -> bytes:
        """The members `auth` and `request`, which both records of a request carry."""
        known = entry.encoded.get(self)
        if known is None:
            if frame is None:
                auth, request = self._parts(entry)
                known = _json.encode(Both(auth=auth, request=request))[1:-1]
            else:
                known = self._filled(entry, frame)
            entry.encoded[self] = known
        return known

    def _filled(self, entry: RequestEntry, frame: _Frame) -> bytes:
        data, mount = b"", entry.mount or _NO_MOUNT
        if entry.data:
            hidden = self._data(entry.data, mount.request_keys, entry.clear_numbers)
            data = b',"data":' + _json.encode(hidden)
        return b"%b%b%b%b%b}" % (
            frame.head,
            entry.id.encode(),
            frame.middle,
            data,
            _remote(entry.remote_address, entry.remote_port),
        )

    def _short_response(self, entry: ResponseEntry, frame: _Frame) -> bytes:
        """As `_response`, put together of what is encoded; an answer without lease or wrapping."""
        if entry.lease_id or entry.wrap:
            return self._response(entry)
        auth = data = warnings = b""
        if entry.auth:
            auth = b'"auth":%b,' % bytes(self._new_auth(entry.auth, entry.auth_token))
        if entry.data:
            data = b',"data":%b' % self._encoded(entry)
        if entry.warnings:
            warnings = b',"warnings":%b' % _json.encode(entry.warnings)
        return b"{%b%b%b%b}" % (auth, frame.mount, data, warnings)

    def _encoded(self, entry: ResponseEntry) -> bytes:
        """What the record shows of the answer's data, from memory where a read has shown it before
        and nothing of it is clear that might be secret."""
        request = entry.request
        numbers, mount = request.clear_numbers, request.mount
        if request.operation != "read" or numbers is None or mount is None or mount.response_keys:
            return _json.encode(self._shown(entry))
        text = b"" if self._form.log_raw else entry.text()
        if not 0 < len(text) <= _LONGEST:
            return _json.encode(self._shown(entry))
        digest = self._hasher.digest(text)
        shown = self._answers.find(digest, numbers)
        if shown is None:
            shown = _json.encode(self._shown(entry))
            self._answers.keep(digest, numbers, shown)
        return shown

    def _parts(self, entry: RequestEntry) -> tuple[msgspec.Raw | Auth | None, Request]:
        caller, decision = entry.caller, entry.decision
        if caller is None:
            token, accessor = self._text(entry.client_token), ""
            auth: msgspec.Raw | Auth | None = None
            if decision is not None:
                auth = Auth(policy_results=_results(decision))
        else:
            known = self._recall(caller, entry.client_token)
            token, accessor = known.token, known.accessor
            auth = _auth(known, decision)
        return auth, self._request(entry, token, accessor)

    def _request(self, entry: RequestEntry, token: str, accessor: str) -> Request:
        mount = entry.mount or _NO_MOUNT
        data = entry.data
        return Request(
            id=entry.id,
            client_id=entry.client_id,
            operation=entry.operation,
            **_mount_fields(mount),
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

    def _response(self, entry: ResponseEntry) -> bytes:
        response = Response(
            auth=self._new_auth(entry.auth, entry.auth_token) if entry.auth else None,
            **_mount_fields(entry.request.mount or _NO_MOUNT),
            secret=Secret(entry.lease_id) if entry.lease_id else None,
            data=self._shown(entry),
            wrap_info=self._wrap(entry.wrap) if entry.wrap else None,
            warnings=entry.warnings,
        )
        return _json.encode(response)

    def _shown(self, entry: ResponseEntry) -> object:
        """What the record shows of the answer's data."""
        data, request = entry.data, entry.request
        if not data:
            return None
        if self._form.elide_list_responses and request.operation == "list":
            data = _elided(data)
        mount = request.mount or _NO_MOUNT
        return self._data(data, mount.response_keys, request.clear_numbers)

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

    def _wrap(self, wrap: Wrapped) -> Wrap:
        return Wrap(
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
_ROOT: Final = Namespace("root", "")


def _namespace(entry: RequestEntry) -> Namespace:
    return Namespace(entry.namespace_id, entry.namespace_path)


def _results(decision: Decision) -> Results:
    return Results(decision.allowed, decision.grants)


def _auth(known: _Known, decision: Decision | None) -> msgspec.Raw:
    """The caller's `auth` block, encoded; the one met last is used again."""
    if known.auth is not None and known.decision is decision:
        return known.auth
    caller = known.caller
    auth = Auth(
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


def _mount_fields(mount: Mount) -> MountFields:
    return {
        "mount_point": mount.point,
        "mount_type": mount.type,
        "mount_accessor": mount.accessor,
        "mount_running_version": mount.running_version,
        "mount_class": mount.plugin_class,
    }


def _remote(address: str, port: int) -> bytes:
    named = b',"remote_address":%b' % _json.encode(address) if address else b""
    return b'%b,"remote_port":%d' % (named, port) if port else named


def _custody(why: bytes, event_id: str, *, recovered: bool) -> bytes:
    """The member `custody` with what the decision says (`why`, an object), or nothing."""
    if not event_id:
        return b',"custody":' + why if len(why) > len(b"{}") else b""
    fate = _json.encode(Fate(event_id=event_id, recovered=recovered))
    comma = b"," if len(why) > len(b"{}") else b""
    return b',"custody":%b%b%b' % (fate[:-1], comma, why[1:])


def _why_of(entry: RequestEntry) -> bytes:
    return b"{}" if entry.decision is None else _why(entry.decision)


def _why(decision: Decision) -> bytes:
    return _json.encode(
        Why(rule=decision.rule, reason=decision.reason, near_misses=decision.near_misses)
    )


def _elided(data: Mapping[str, object]) -> Mapping[str, object]:
    """A list's answer with how many keys there were instead of the keys."""
    short = dict(data)
    for name in ("keys", "key_info"):
        value = short.get(name)
        if isinstance(value, list | tuple | dict):
            short[name] = len(value)
    return short
