"""A model as Python that people read: its graph in functions by module, multipliers by name."""
