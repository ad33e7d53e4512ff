"""Typing a request's fields, and actions that only read.

A read runs in the very snapshot that decided on it, before anything is recorded: nothing has been
disclosed until a device has accepted both of its records, which go to it together. That saves one
wait for the device and one snapshot in each read.
"""

from collections.abc import Mapping
from typing import Final

from custody.base.errors import CustodyError, NotFound
from custody.base.store import Rows
from custody.core.case import Case, Outcome
from custody.core.confine import MountStorage, SystemRows
from custody.core.desk import NO_TOKEN, Desk
from custody.plugin.request import Reply
from custody.plugin.route import BODIED, Op

_SPELLINGS: Final = frozenset(("list", "scan", "help"))  # of the verb, not fields


def read(case: Case, rows: Rows, desk: Desk) -> Reply | None:
    """Run a READS action. Raises CustodyError."""
    bind(case)
    place = (
        SystemRows(rows, desk, case.call.token or NO_TOKEN)
        if case.engine.system
        else MountStorage(rows, case.mount.id)
    )
    return _filtered(case, case.action.run(case.request, place))  # type: ignore[arg-type] # READS


def attempt(case: Case, rows: Rows, desk: Desk) -> Outcome:
    """As `read`, with the error as a value: it is recorded like a reply."""
    try:
        return Outcome(reply=read(case, rows, desk))
    except CustodyError as error:
        return Outcome(error=error)


def bind(case: Case) -> None:
    """Type the body's (or query's) fields; warn of those that nobody reads."""
    action, request = case.action, case.request
    source: Mapping[str, object] = request.raw if case.call.op in BODIED else request.query
    unknown: list[str] = []
    if action.body is not None:
        request.body, unknown = action.body.read(source)
    elif not action.free:
        unknown = sorted(source)
    if not unknown:
        return
    captured = [name for name in unknown if name in request.params]
    ignored = [name for name in unknown if name not in request.params and name not in _SPELLINGS]
    if ignored:
        request.ignored.append(
            f"Endpoint ignored these unrecognized parameters: [{' '.join(ignored)}]"
        )
    if captured:
        request.ignored.append(
            "Endpoint replaced the value of these parameters with the values captured from the "
            f"endpoint's path: [{' '.join(captured)}]"
        )


def _filtered(case: Case, reply: Reply | None) -> Reply | None:
    """A list without the keys that its rule hides."""
    if case.decision is None or case.decision.keys_path is None:
        return reply
    if reply is None or reply.data is None or "keys" not in reply.data:
        return reply
    keys = case.visible(reply.data["keys"])
    if not keys:  # as where there are none at all
        if case.call.op is Op.SCAN:
            return Reply(data={})
        raise NotFound
    shown = {**reply.data, "keys": keys}
    if isinstance(info := shown.get("key_info"), Mapping):
        shown["key_info"] = {key: info[key] for key in keys if key in info}
    reply.data = shown
    return reply
