"""`make bench`: Custody beside OpenBao and beside a listener that only answers a constant."""
