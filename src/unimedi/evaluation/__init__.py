"""What a model is worth: zero-shot, retrieval, probes, the space, slice selection."""
