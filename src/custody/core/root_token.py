"""A root token that a quorum of share holders asked for: stored, and hidden for its way to them."""

import base64
import binascii

from custody.base.clock import Clock
from custody.base.errors import BadRequest
from custody.base.ids import Source
from custody.base.store import Transaction
from custody.core.act import Act
from custody.core.bootstrap import TokenHasher
from custody.token import format as token_format
from custody.token import service as tokens
from custody.token.asked import Handle, root_spec


async def store_root_token(act: Act, token: str, clock: Clock, source: Source) -> bytes:
    """Make `token` a root token; its salted hash. Storing it again changes nothing."""
    hasher = TokenHasher(act.parts.barrier)
    accessor = token_format.new_accessor(source)
    handle = Handle(hasher.token(token), accessor, hasher.accessor(accessor))
    now_ns = clock.now_ns()

    def job(txn: Transaction) -> None:
        if tokens.find(txn, handle.token_hash, now_ns) is None:
            tokens.create(txn, root_spec(), handle, None, now_ns)

    await act.commit(job, essential=True)
    return handle.token_hash


def hide(token: str, otp: str) -> str:
    """The token XOR a one-time password of the same length, in base64 without padding."""
    return base64.b64encode(_xor(token.encode(), otp.encode())).decode().rstrip("=")


def uncover(encoded: str, otp: str) -> str:
    """What `hide` was given. Raises BadRequest."""
    try:
        data = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest("error decoding base64'd token: illegal base64 data") from None
    return _xor(data, otp.encode()).decode(errors="replace")


def _xor(token: bytes, otp: bytes) -> bytes:
    if len(token) != len(otp):
        raise BadRequest(
            "error xoring token: length of byte slices is not equivalent: "
            f"{len(token)} != {len(otp)}"
        )
    return bytes(one ^ other for one, other in zip(token, otp, strict=True))
