"""Reports of ``mupfx check``: terminal, JSON, JUnit, SARIF, GitHub annotations and HTML.

Each format is one function from a report to its text; ``formats.py`` names them all.
"""
