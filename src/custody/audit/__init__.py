"""Audit: what a record says, how it is hashed and chained, and how it reaches the devices."""
