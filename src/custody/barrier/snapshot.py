"""A snapshot of a store as one file: every row as it lies there, and checksums of all of it.

A gzipped tar, made and read as a stream:

    meta.json          of which store it is, from when, and how far its log is
    rows-00000001 …    rows in the order of keys: `key length (2) | value length (4) | key | value`
    SHA256SUMS         of each of the files before
    SHA256SUMS.sealed  HMAC-SHA256 of that file under a key of the store

Clients of Raft storage look for the last of these, to know that they have the whole file.
Values are the ciphertexts of the store: a snapshot opens with the store's unseal shares and is as
secret as the store's own files are. What is cut short has no SHA256SUMS and is refused; what was
changed differs from them, and who can change both does not know the key. Rows are read rather than
LMDB's pages: those of a stranger could do more harm than be wrong.
"""

import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator
from struct import Struct
from typing import IO, Final

import msgspec

from custody.barrier.keyring import Keyring
from custody.barrier.rows import after_key
from custody.base.errors import BadRequest
from custody.base.store import FORMAT, MAX_KEY, RawRows
from custody.crypto import mac

PART: Final = 1024 * 1024  # bytes of rows in a file, about
MAX_PART: Final = 64 * 1024 * 1024
ROWS: Final = 16  # read at once: with the largest of values they still are some megabytes
_META, _SUMS, _MAC = "meta.json", "SHA256SUMS", "SHA256SUMS.sealed"
_LENGTHS: Final = Struct(">HI")
_END: Final = b"\xff" * 8
_CHUNK: Final = 64 * 1024
_GZIP: Final = 31  # zlib's name for that format
_LEVEL: Final = 1  # ciphertext does not get smaller, keys do

Row = tuple[bytes, bytes]


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot says of itself. `position` is that of the newest entry of the log."""

    format: int
    version: str
    scope: str  # hex
    position: int
    time: str
    cluster_name: str = ""
    cluster_id: str = ""


class Refused(BadRequest):
    """The bytes are not a whole, unchanged snapshot: 400."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not a snapshot that can be restored: {reason}")


class SnapshotWriter:
    """Makes the file piece by piece of what `raw` holds, which must stay as it is until the end.

    `checked` is told every row, and asked at the end whether they were all there: what it raises
    ends the file before its checksums, so that nobody can restore it.
    """

    def __init__(
        self,
        raw: RawRows,
        header: Header,
        key: bytes,
        checked: Callable[[bytes, bytes], None],
        finished: Callable[[], None],
    ) -> None:
        self._raw = raw
        self._header = header
        self._key = key
        self._checked = checked
        self._finished = finished
        self._sink = _Sink()
        self._sums: list[str] = []
        self.rows = 0

    def pieces(self) -> Iterator[bytes]:
        """The bytes, about a mebibyte at a time."""
        squeeze = zlib.compressobj(_LEVEL, wbits=_GZIP)
        with tarfile.open(fileobj=self._sink, mode="w|") as archive:
            self._add(archive, _META, msgspec.json.encode(self._header) + b"\n")
            for number, part in enumerate(self._parts(), start=1):
                self._add(archive, f"rows-{number:08d}", part)
                yield squeeze.compress(self._sink.take())
            self._finished()
            sums = "".join(self._sums).encode()
            self._add(archive, _SUMS, sums)
            self._add(archive, _MAC, mac.mac(self._key, sums).hex().encode() + b"\n")
        yield squeeze.compress(self._sink.take()) + squeeze.flush()

    def _parts(self) -> Iterator[bytes]:
        part, start = bytearray(), b"\x00"
        while rows := self._raw.scan(start, _END, ROWS):
            for key, value in rows:
                self._checked(key, value)
                part += _LENGTHS.pack(len(key), len(value)) + key + value
                if len(part) >= PART:
                    yield bytes(part)
                    part.clear()
            self.rows += len(rows)
            start = after_key(rows[-1][0])
        if part:
            yield bytes(part)

    def _add(self, archive: tarfile.TarFile, name: str, data: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), 0o600
        archive.addfile(info, io.BytesIO(data))
        self._sums.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")


class SnapshotReader:
    """Reads a file that anyone may have made; believes nothing before its checksums.

    The rows come before the checksums do: what is done with them must be undone when `rows` raises.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._sums: list[str] = []
        self.rows_read = 0
        self._members = _members(file)
        name, data = self._next()
        if name != _META:
            raise Refused("it does not begin with meta.json")
        try:
            self.header = msgspec.json.decode(data, type=Header)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Refused("meta.json cannot be read") from None
        if not 0 < self.header.format <= FORMAT:
            raise Refused(f"it has format {self.header.format}, this program reads up to {FORMAT}")

    def rows(self, key: bytes | None) -> Iterator[Row]:
        """Every row, in the order of keys. `key` is that of the store, None where it is not known.

        Raises Refused, at the end too.
        """
        last = b""
        while True:
            name, data = self._next()
            if name == _SUMS:
                break
            if not name.startswith("rows-"):
                raise Refused("it holds a file that it should not")
            for row in _rows(data):
                if row[0] <= last:
                    raise Refused("its rows are out of order")
                last = row[0]
                self.rows_read += 1
                yield row
        self._check(data, key)

    def _check(self, sums: bytes, key: bytes | None) -> None:
        said = self._sums[:-1]  # without the line of SHA256SUMS itself
        if sums != "".join(said).encode():
            raise Refused("its checksums are not those of its files")
        name, data = self._next()
        if name != _MAC:
            raise Refused("it ends before its seal")
        if key is not None:
            try:
                mac.verify(key, sums, bytes.fromhex(data.decode("ascii").strip()))
            except (mac.WrongMAC, ValueError):
                raise Refused("its seal was not made by this store") from None
        if next(self._members, None) is not None:
            raise Refused("it goes on after its end")

    def _next(self) -> tuple[str, bytes]:
        found = next(self._members, None)
        if found is None:
            raise Refused("it is cut short")
        name, data = found
        self._sums.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")
        return found


def sealing_key(keyring: Keyring) -> bytes:
    """The key under which a store seals its snapshots; the same in all terms."""
    return keyring.derive("snapshot")


def _members(file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    unzipped = _Unzipped(file)
    try:
        with tarfile.open(fileobj=unzipped, mode="r|", tarinfo=_Member) as archive:
            for member in archive:
                content = archive.extractfile(member)
                data = b"" if content is None else content.read()
                if len(data) != member.size:
                    raise Refused("it is cut short")
                yield member.name, data
        if unzipped.leftover():
            raise Refused("it goes on after its end")
    except (tarfile.TarError, zlib.error, EOFError, OSError):
        raise Refused("it is cut short or was changed") from None


def _rows(data: bytes) -> Iterator[Row]:
    position = 0
    while position < len(data):
        if position + _LENGTHS.size > len(data):
            raise Refused("a row is cut short")
        key_size, value_size = _LENGTHS.unpack_from(data, position)
        position += _LENGTHS.size
        end = position + key_size + value_size
        if not 0 < key_size <= MAX_KEY or end > len(data):
            raise Refused("a row is cut short")
        yield data[position : position + key_size], data[position + key_size : end]
        position = end


class _Member(tarfile.TarInfo):
    """The header of a file that may be in a snapshot; looked at before anything behind it is read.

    The library reads headers of other kinds (PAX, GNU) whole, however long they say they are.
    """

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if not self.isreg() or not 0 <= self.size <= MAX_PART:
            raise Refused("it holds a file that it should not")
        member: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]  # as its docstring offers
        return member


class _Unzipped(io.RawIOBase):
    """What a gzip file holds, read in bounded pieces. Raises EOFError where it is cut short."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self._unzip = zlib.decompressobj(wbits=_GZIP)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; empty at the end. Raises EOFError, zlib.error."""
        while not self._unzip.eof:
            waiting = self._unzip.unconsumed_tail or self._file.read(_CHUNK)
            if not waiting:
                raise EOFError
            piece = self._unzip.decompress(waiting, max(1, size))
            if piece:
                return piece
        return b""

    def leftover(self) -> bool:
        """Whether anything but padding follows. Raises EOFError, zlib.error."""
        while piece := self.read(_CHUNK):
            if piece.strip(b"\0"):
                return True
        return bool(self._unzip.unused_data or self._file.read(1))


class _Sink(io.RawIOBase):
    """Where the archive goes, to be taken out piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        held = bytes(data)  # type: ignore[call-overload]  # a buffer
        self._held += held
        return len(held)

    def take(self) -> bytes:
        """What came since the last time."""
        taken, self._held = bytes(self._held), bytearray()
        return taken
