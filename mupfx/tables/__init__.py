"""Parametrizations and optimizer families as literals, with paper and table number."""
