"""The ordered steps from an authenticated request to an audited answer."""
