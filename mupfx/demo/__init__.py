"""A small GPT and the experiment that ``mupfx demo`` runs on it."""
