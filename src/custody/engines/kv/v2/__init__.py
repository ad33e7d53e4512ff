"""KV version 2: secrets under paths, each with a bounded run of numbered versions."""
