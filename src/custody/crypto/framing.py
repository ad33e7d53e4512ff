"""Injective encoding of a list of byte strings, for associated data, MAC input and HKDF info.

Each field is preceded by its length as four bytes, big endian. Two different lists never give the
same bytes, so nothing can be moved from one field into its neighbour.
"""


def frame(*fields: bytes) -> bytes:
    """The fields, each behind its length (4 bytes, big endian)."""
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)
