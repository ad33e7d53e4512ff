"""The floor: contracts and small values that every other package may lean on."""
