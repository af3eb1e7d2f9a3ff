"""The page of a run: what was measured, drawn."""
