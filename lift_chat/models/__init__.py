"""Base models: which one, how it is loaded, who may use it, what goes in, what comes out."""
