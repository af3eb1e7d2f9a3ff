"""What a model can do: zero-shot, retrieval, probes, the space, slice selection."""
