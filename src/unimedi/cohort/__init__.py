"""Who was imaged and what was written: studies, reports, manifests, splits. Standard library only."""
