"""The reader: a warm start per base model, trained once, merged into the base when it is loaded."""
