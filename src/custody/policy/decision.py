"""What was decided, by which rule of which policy, and why."""

from enum import StrEnum

import msgspec

from custody.base.errors import PolicyDenied
from custody.policy.document import Rule
from custody.policy.template import KeyPath


class Reason(StrEnum):
    """Why. The words are for audit records and explanations, never for the refused caller."""

    ROOT = "root"
    HELP = "help"
    GRANTED = "granted"
    NO_RULE = "no_rule"
    DENIED = "denied"
    NO_CAPABILITY = "no_capability"
    UNKNOWN_OPERATION = "unknown_operation"
    NOT_SUDO = "not_sudo"
    WRAPPING = "wrapping"
    REQUIRED_PARAMETER = "required_parameter"
    DENIED_PARAMETER = "denied_parameter"
    ALLOWED_PARAMETER = "allowed_parameter"
    LIMIT = "limit"


class Decision(msgspec.Struct, frozen=True):
    """The answer to: may this token do this?

    `rule` is the one that decided, None where none matched. `limit`, if set, is what the backend
    must be given as `limit` in place of what the caller sent. `keys_path` asks for the keys of a
    list to be filtered (`custody.policy.acl.ACL.filter_keys`).
    """

    allowed: bool
    reason: Reason
    rule: Rule | None = None
    granting_policies: tuple[str, ...] = ()
    sudo: bool = False
    root: bool = False
    limit: int | None = None
    keys_path: KeyPath | None = None


class Denied(PolicyDenied):
    """Permission denied by policy; `decision` says why, for those who may know."""

    def __init__(self, decision: Decision) -> None:
        super().__init__()
        self.decision = decision


ROOT = Decision(allowed=True, reason=Reason.ROOT, granting_policies=("root",), sudo=True, root=True)
HELP = Decision(allowed=True, reason=Reason.HELP)
NO_RULE = Decision(allowed=False, reason=Reason.NO_RULE)
