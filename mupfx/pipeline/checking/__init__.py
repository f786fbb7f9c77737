"""A check: models of several sizes are made, read and trained, and judged by rules."""
