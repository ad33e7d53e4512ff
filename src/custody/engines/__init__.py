"""Secrets engines: each a value that the catalog names; none imports another."""
