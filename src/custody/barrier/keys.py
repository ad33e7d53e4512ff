"""What an unsealed barrier holds of one keyring: ciphers, memos, and the books beside the rows."""

from custody.barrier.counter import Counter
from custody.barrier.digest import Digests
from custody.barrier.envelope import Envelopes
from custody.barrier.keyring import Keyring
from custody.barrier.log import Log
from custody.barrier.memo import Memo

MEMO_BYTES = 64 * 1024 * 1024
WRITER_MEMO_BYTES = 16 * 1024 * 1024


class Books:
    """What is kept about a shard's rows beside the rows: log, sums, encryption counts.

    The writer's thread has one, readers have another: they remember what they checked.
    """

    __slots__ = ("counter", "digests", "log")

    def __init__(self, keyring: Keyring, shard: str) -> None:
        self.log = Log(keyring, shard)
        self.digests = Digests(keyring, shard)
        self.counter = Counter(keyring, shard)


class Keys:
    """Everything of one keyring.

    Readers (the loop's thread) and the writer's thread have memos and books of their own.
    """

    __slots__ = ("books", "envelopes", "keyring", "memo", "writer_books", "writer_memo")

    def __init__(self, keyring: Keyring, shard: str) -> None:
        self.keyring = keyring
        self.envelopes = Envelopes(keyring)
        self.memo = Memo(MEMO_BYTES)
        self.writer_memo = Memo(WRITER_MEMO_BYTES)
        self.books = Books(keyring, shard)
        self.writer_books = Books(keyring, shard)
