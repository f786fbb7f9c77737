"""Frozen data that passes exchange; nothing here walks a graph or touches a tensor."""
