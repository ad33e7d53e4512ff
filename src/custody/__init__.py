"""Custody: a secrets manager that speaks the HTTP API of Vault and OpenBao."""

__version__ = "0.1.0"
