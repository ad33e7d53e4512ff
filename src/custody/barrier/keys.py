"""What an unsealed barrier holds of one keyring: ciphers, memos, and the books beside the rows."""

from custody.barrier.counter import Counter
from custody.barrier.digest import Digests
from custody.barrier.envelope import Envelopes
from custody.barrier.keyring import Keyring
from custody.barrier.log import Log
from custody.barrier.memo import Memo
from custody.barrier.notes import RowIds

MEMO_BYTES = 64 * 1024 * 1024


class Books:
    """What is kept about a shard's rows beside the rows: log, sums, encryption counts.

    They remember what they have checked, so they belong to one thread.
    """

    __slots__ = ("counter", "digests", "log")

    def __init__(self, keyring: Keyring, shard: str) -> None:
        self.log = Log(keyring, shard)
        self.digests = Digests(keyring, shard)
        self.counter = Counter(keyring, shard)


class Keys:
    """Everything of one keyring, for one thread: the event loop's, or a scrub's own."""

    __slots__ = ("books", "envelopes", "keyring", "memo", "note_ids")

    def __init__(self, keyring: Keyring, shard: str) -> None:
        self.keyring = keyring
        self.envelopes = Envelopes(keyring)
        self.memo = Memo(MEMO_BYTES)
        self.books = Books(keyring, shard)
        self.note_ids = RowIds()
