"""What a request for a token carries."""

from typing import Annotated, Any

from custody.plugin.fields import Fields, Pairs


class CreateFields(Fields, frozen=True, kw_only=True):
    """A request for a token. Durations and policies are read by the rules on creation."""

    id: Annotated[str, "The token's text, from callers with `sudo` alone; empty: one is made."] = ""
    policies: Annotated[Any, "Names of policies; none: those of the caller."] = ()
    meta: Annotated[Pairs, "What audit records and look-ups show beside the token."] = Pairs()
    no_parent: Annotated[
        bool, "Whether the token has no parent and outlives its maker; needs `sudo`."
    ] = False
    no_default_policy: Annotated[bool, "Whether it goes without the policy `default`."] = False
    renewable: Annotated[bool, "Whether the token may be renewed."] = True
    ttl: Annotated[Any, "How long it lives, as 3600 or 1h; empty: as the mount says."] = ""
    lease: Annotated[Any, "The same by its old name."] = ""
    explicit_max_ttl: Annotated[
        Any, "When it ends whatever happens, in seconds from now or as 24h; empty: never."
    ] = ""
    period: Annotated[
        Any,
        "For how long each renewal lasts, without another end, in seconds or as 1h; needs `sudo`.",
    ] = ""
    display_name: Annotated[str, "What follows `token-` in its display name."] = ""
    num_uses: Annotated[int, "How many requests it is good for; 0: any number."] = 0
    type: Annotated[str, "`service` or `batch`; empty: as the role says, else `service`."] = ""
    entity_alias: Annotated[str, "The alias that it is bound to, which the role must allow."] = ""
