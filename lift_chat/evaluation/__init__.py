"""Evaluation: collections of documents with questions, arms that answer them, and what they say.

Sits on the method and the models, beside the service: it reads files, loads no library and
changes none.
"""
