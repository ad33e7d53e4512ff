"""The edge: bytes to a Call, and an Answer to bytes."""
