"""Study questions: written about a document, checked against it, kept with it.

`writing.write_items` is the way in; `teacher.ask_back` asks questions that exist already.
"""
