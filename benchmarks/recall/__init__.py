"""Time to the reference's recall. Run `python -m benchmarks.recall`."""
