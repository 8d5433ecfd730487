"""Adapters for others: what is said of one, what it gives away, and other servers' formats."""
