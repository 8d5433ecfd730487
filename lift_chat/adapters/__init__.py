"""Kinds of adapter: each module offers attach, save and load over a twin of the base."""
