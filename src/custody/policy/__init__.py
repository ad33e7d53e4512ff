"""Who may do what: policy texts, their compiled form, decisions and their reasons, storage."""
