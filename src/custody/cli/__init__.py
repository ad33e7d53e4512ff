"""The command line: Vault's tree of commands, as a client of the HTTP API and nothing more."""
