"""The contract between Custody and an engine or auth method: all that a plugin may import."""
