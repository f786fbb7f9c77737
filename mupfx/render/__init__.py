"""Results as text: one document model, printed plainly or for a terminal."""
