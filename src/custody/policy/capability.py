"""The words for what a policy grants, and the bits that they compile to."""

DENY = 1 << 0
CREATE = 1 << 1
READ = 1 << 2
UPDATE = 1 << 3
DELETE = 1 << 4
LIST = 1 << 5
SUDO = 1 << 6
PATCH = 1 << 7
SCAN = 1 << 8
SUBSCRIBE = 1 << 9
RECOVER = 1 << 10

BITS = {
    "create": CREATE,
    "delete": DELETE,
    "deny": DENY,
    "list": LIST,
    "patch": PATCH,
    "read": READ,
    "recover": RECOVER,
    "scan": SCAN,
    "subscribe": SUBSCRIBE,
    "sudo": SUDO,
    "update": UPDATE,
}

LEGACY = {
    "deny": DENY,
    "read": READ | LIST,
    "write": CREATE | READ | UPDATE | DELETE | LIST,
    "sudo": CREATE | READ | UPDATE | DELETE | LIST | SUDO,
}
"""What the old spelling `policy = "…"` stands for."""

OPERATIONS = {
    "create": CREATE,
    "read": READ,
    "update": UPDATE,
    "delete": DELETE,
    "list": LIST,
    "scan": SCAN,
    "patch": PATCH,
}
"""Which bit an operation needs; there is no other operation."""


def names(bits: int) -> list[str]:
    """The words of `bits`, sorted; `["deny"]` when denied or when there is none."""
    if bits & DENY or not bits:
        return ["deny"]
    return [name for name, bit in BITS.items() if bits & bit]
