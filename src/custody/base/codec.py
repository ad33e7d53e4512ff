"""How records become bytes: one schema number, then MessagePack of named fields.

A record read from a newer program keeps its schema number and can be read, but `encode` refuses
to write it again: this program would drop what it does not know.
"""

from typing import Any, TypeVar

import msgspec

from custody.base.record import Record


class NewerRecord(Exception):
    """The record was written by a newer program; this one may read but not rewrite it."""


class CorruptRecord(Exception):
    """The bytes are not a record of this type."""


R = TypeVar("R", bound=Record)
_encoder = msgspec.msgpack.Encoder()
_decoders: dict[type[Any], msgspec.msgpack.Decoder[Any]] = {}


def encode(record: Record) -> bytes:
    """The record's bytes. Raises NewerRecord if it was read from a newer program."""
    return _encoder.encode(stamped(record))


def stamped(record: R) -> R:
    """The record with this program's schema number, as it is stored. Raises NewerRecord."""
    current, schema = type(record).SCHEMA, record.schema
    if schema == current:
        return record
    if schema > current:
        raise NewerRecord(f"{type(record).__name__} has schema {schema}, this is {current}")
    return msgspec.structs.replace(record, schema=current)


def decode(kind: type[R], data: bytes) -> R:
    """The record of type `kind` in `data`. Raises CorruptRecord."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    try:
        record: R = decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptRecord(f"not a {kind.__name__}") from error
    return record
