"""How fast a document is absorbed, beside what one would use instead; `__main__` is the command."""
