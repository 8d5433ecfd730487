"""Absorbing in slices: a few seconds of a lent device at a time, each ending in what can go on."""
