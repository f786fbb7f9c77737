"""One self-contained HTML page: a model's graph, its plan with all evidence, checks, transfer.

``Contents`` is what is known, ``page.page(contents)`` the text. Nothing is loaded from anywhere:
style, script and pictures are in the file.
"""
