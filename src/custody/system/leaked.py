"""`sys/leaked-tokens`: where leak scanners and finders hand in texts in which a token stands.

Tokens are told from other text by prefix and checksum, without a look at the store, and a service
token that is one is revoked at once with all below it. That needs no token: whoever holds a token's
text could do more with it than end it. The answer says only what stands in the texts, so that it
cannot be used to find out which token is good; the audit record names what was revoked.
"""

import re
from typing import Annotated, Final, TypedDict

from custody.base.errors import BadRequest
from custody.core.confine import SystemTransaction
from custody.plugin.fields import Fields, Strings
from custody.plugin.request import Reply, Request
from custody.plugin.route import KIB, Access, Op, Route, writes
from custody.token import format as formats
from custody.token import service as tokens

MAX_TOKENS: Final = 100  # in one request: each is a few rows of one transaction
MAX_BODY: Final = 128 * KIB  # anybody may send it, and the one writer's turn is spent on it
# Looked for everywhere, also within another candidate: what precedes a token may seem to be one.
_CANDIDATE: Final = re.compile(
    rf"(?=({re.escape(formats.SERVICE)}[0-9A-Za-z]{{{formats.LENGTH - len(formats.SERVICE)}}}"
    rf"|{re.escape(formats.BATCH)}[\w-]+))",
    re.ASCII,
)


class LeakedFields(Fields, frozen=True, kw_only=True):
    """Texts in which tokens stand: lines of a log, a file, or the tokens alone."""

    texts: Annotated[Strings, "Texts in which tokens stand, of 100 tokens at most."] = Strings()


class Counted(TypedDict):
    """How many tokens stand in the texts, and how many of those are batch tokens."""

    found: int
    batch: int


def take_in(request: Request, txn: SystemTransaction) -> Reply:
    """Revoke the tokens that stand in the texts, with all below them."""
    if not request.body.texts:
        raise BadRequest("texts is missing: hand in the texts in which tokens stand")
    found = tokens_in("\n".join(request.body.texts))
    if len(found) > MAX_TOKENS:
        raise BadRequest(f"texts hold more than {MAX_TOKENS} tokens: hand them in piece by piece")
    batch = [text for text in found if text.startswith(formats.BATCH)]
    if batch:
        request.warn("Batch tokens cannot be revoked: revoke the tokens that they were made with.")
    revoked = []
    for text in found:
        token_hash = txn.token_hash(text)
        entry = tokens.find(txn.txn, token_hash, request.now_ns)
        if tokens.revoke(txn.txn, token_hash, request.now_ns) and entry is not None:
            revoked.append(entry.accessor)
    return Reply(
        data={"found": len(found), "batch": len(batch)}, recorded={"revoked_accessors": revoked}
    )


def tokens_in(text: str) -> list[str]:
    """The tokens that stand in a text, each once, in order: what has their form and checksum."""
    return list(dict.fromkeys(one for one in _CANDIDATE.findall(text) if formats.issued(one)))


ROUTES: Final = (
    Route(
        "leaked-tokens",
        {Op.WRITE: writes(take_in, LeakedFields, essential=True, shows=Counted)},
        access=Access.PUBLIC,
        max_body=MAX_BODY,
        help="Revoke tokens that were found where they should not be.",
    ),
)
