"""Absorbing on other machines than the one with the library: one document is one task.

Plain files go out and plain files come back (`order`, `results`), whatever carries them; `carrying`
works on one there, and `dispatcher` takes jobs from the library and brings adapters into it.
"""
