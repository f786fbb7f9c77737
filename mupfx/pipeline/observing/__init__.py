"""Observing: graphs that are run in a model's place, runs over sizes and seeds, corrections."""
