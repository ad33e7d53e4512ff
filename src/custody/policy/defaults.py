"""The policies that every store has: what they grant is fixed by Vault's clients, not by taste."""

from custody.policy.document import Document, parse

ROOT = "root"
DEFAULT = "default"
RESPONSE_WRAPPING = "response-wrapping"

DEFAULT_POLICY = """\
# What every token may do unless it was created without the policy "default".

# Know itself, prolong itself, end itself.
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self"  { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }

# Ask what it may do.
path "sys/capabilities-self"         { capabilities = ["update"] }
path "sys/internal/ui/resultant-acl" { capabilities = ["read"] }

# Know the entity it acts for.
path "identity/entity/id/{{identity.entity.id}}"     { capabilities = ["read"] }
path "identity/entity/name/{{identity.entity.name}}" { capabilities = ["read"] }

# Look up and prolong a lease whose id it knows.
path "sys/leases/lookup" { capabilities = ["update"] }
path "sys/leases/renew"  { capabilities = ["update"] }

# Keep what only it can see.
path "cubbyhole/*" { capabilities = ["create", "read", "update", "delete", "list"] }

# Wrap and unwrap answers.
path "sys/wrapping/wrap"   { capabilities = ["update"] }
path "sys/wrapping/lookup" { capabilities = ["update"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }

# Hash data.
path "sys/tools/hash"   { capabilities = ["update"] }
path "sys/tools/hash/*" { capabilities = ["update"] }

# Ask an OIDC provider to authorize it.
path "identity/oidc/provider/+/authorize" { capabilities = ["read", "update"] }
"""

RESPONSE_WRAPPING_POLICY = """\
# What the single-use token of a wrapped answer may do: be unwrapped.
path "cubbyhole/response"  { capabilities = ["create", "read"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }
"""

ROOT_DOCUMENT = Document(ROOT, "", ())


def response_wrapping() -> Document:
    """The fixed policy of wrapping tokens."""
    return parse(RESPONSE_WRAPPING, RESPONSE_WRAPPING_POLICY)
