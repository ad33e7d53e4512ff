"""The processes of a node: what starts them, what each does, and how they talk."""
