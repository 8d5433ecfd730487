"""The Hugging Face Hub. Nothing here keeps a token: a caller hands one over for one call."""
