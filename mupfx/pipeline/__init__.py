"""The passes in order: from a model and a base to an analysis, a plan, a changed model."""
